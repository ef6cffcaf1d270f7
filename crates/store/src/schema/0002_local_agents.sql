-- The local user whose processes may act as an agent over the agents' socket.
ALTER TABLE agent ADD COLUMN local_user INTEGER CHECK (local_user BETWEEN 0 AND 4294967295);
