-- Which topic a reader has read under a name, by the id that the log gave it: offsets and sequences are those of this one.
CREATE TABLE topics_read (
    reader   TEXT NOT NULL,
    topic    TEXT NOT NULL,
    topic_id TEXT NOT NULL,
    PRIMARY KEY (reader, topic)
);
