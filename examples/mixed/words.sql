-- What the database of the mixed system does with the same words: a table of all of them, commits row by row, answers, and commits until
-- after it has its memory again.
CREATE TABLE word(number INTEGER PRIMARY KEY, text TEXT NOT NULL);
INSERT INTO word SELECT number, line FROM lines('american-english');
CREATE INDEX word_text ON word(text);
CREATE TABLE noted(id INTEGER PRIMARY KEY, word INTEGER NOT NULL);
.print words loaded, now a commit for each note
.during 4000 INSERT INTO noted(word) VALUES (1 + abs(random()) % 104334)
SELECT 'result words ' || count(*) || ' ' || sum(length(CAST(text AS BLOB))) FROM word;
SELECT 'result beginning ' || substr(text, 1, 1) || ' ' || count(*) FROM word WHERE text >= 'q' AND text < 't' GROUP BY substr(text, 1, 1);
SELECT 'result longest ' || text FROM word ORDER BY length(CAST(text AS BLOB)) DESC, number LIMIT 1;
SELECT 'result place ' || number FROM word WHERE text = 'exotic';
PRAGMA integrity_check;
.print and commits again
.during 20000 INSERT INTO noted(word) VALUES (1 + abs(random()) % 104334)
SELECT 'result noted ' || count(*) || ' ' || sum(word) FROM noted;
