-- What waits to be sent to outside calendars, by hand.

comment on function calendar_queue_process(int) is
    'sends due operations of calendar_sync_queue now, in this session and its transaction: by hand what the worker does. One row for each: its status is completed, pending (it is tried again, see error) or failed. If the transaction is rolled back, what it had changed itself is undone there with the next sync, and the rest is found when it is sent again, not made twice. What is in the way of a calendar as a whole is a warning';
comment on function calendar_queue_retry(uuid) is
    'tries an operation again at once that has failed for good, or waits for its next try';
