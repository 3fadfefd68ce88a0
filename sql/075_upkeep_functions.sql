-- What the functions for whoever looks after the calendar do.

comment on function calendar_cleanup(int, int) is
    'removes, as the worker does every day, what may go after log_days: rows of the log, events and series that were deleted before they started, resolved failures, connections that were unsubscribed from and hold nothing any more; and attached tables that were dropped. Returns how many rows of each. 0 keeps nothing of these; queue_days is for finished operations that were to be sent out';
