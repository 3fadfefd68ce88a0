-- What the functions on conflicts do.

comment on function calendar_conflict_resolve(uuid, uuid, text) is
    'decides what both sides have changed since they last agreed, where the connection''s policy is manual: keep local or remote. For a recurring event its series_id. Fields that only one side has touched are merged; what the other side does not have yet is sent';
