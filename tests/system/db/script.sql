CREATE TABLE word(id INTEGER PRIMARY KEY, text);
INSERT INTO word(text) VALUES ('exokernel'), ('library'), ('frame');
.print three words
SELECT id, text FROM word ORDER BY text;
.repeat 100 INSERT INTO word(text) VALUES (hex(randomblob(8)))
SELECT count(*) AS words, sum(length(text)) FROM word;
SELECT avg(id) FROM word;
PRAGMA integrity_check;
