/* Reading INI text: inih takes lines from reader_next(), which counts them.
 *
 * inih hands its handler no line number, says nothing of a section without keys, cuts long lines
 * and long names, tells of one bad line only, and (before version 56) takes the comment behind a
 * continuing line for a part of it. So section headers, bad lines and those comments never reach
 * it, and a line handed to it that brings no call of the handler is no assignment.
 *
 * What an indented line is depends on what stands above it:
 *
 *   NOTHING  start of the file or of a section: it continues nothing, a mistake
 *   KEY      it continues the value of that key
 *   LOST     it continues a line that could not be read, and is left out with it
 */
#include "config/reader.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is kept of a line; inih takes fewer. */
#define LINE_BYTES_KEPT 1024

enum above {
    ABOVE_NOTHING,
    ABOVE_KEY,
    ABOVE_LOST,
};

struct reader {
    const char *path;
    const struct reader_events *events;
    void *user;
    struct problems *problems;

    FILE *stream;
    FILE *copy; /* of what is read; NULL: none */
    size_t bytes_read;
    int error; /* errno of a failed read */

    char buffer[LINE_BYTES_KEPT + 1];
    char *text;        /* the line, in buffer, without the blanks around it */
    size_t line_bytes; /* its length with the blanks before it, also where not all was kept */
    bool indented;
    bool has_nul;
    unsigned line;

    enum above above;
    bool unanswered; /* the line was handed to inih and brought no call of the handler yet */
    bool continues;  /* the line was handed over as a continuation */
};

#define PROBLEM(reader, ...) \
    problems_add((reader)->problems, (reader)->path, (reader)->line, __VA_ARGS__)

/* Leaves the line out. A section header left out begins a section nonetheless. */
static void line_lost(struct reader *reader)
{
    if (!reader->indented && *reader->text == '[') {
        reader->above = ABOVE_NOTHING;
        reader->events->section(reader->user, NULL, reader->line);
        return;
    }
    if (!reader->indented)
        reader->above = ABOVE_LOST;
    reader->events->lost(reader->user, reader->indented);
}

/* The next byte; EOF at the end of the file, on an error, and where the file is too large. */
static int byte_get(struct reader *reader)
{
    if (reader->bytes_read > READER_FILE_BYTES_MAX)
        return EOF;
    int c = getc_unlocked(reader->stream);
    if (c != EOF && reader->copy)
        putc_unlocked(c, reader->copy);
    if (c != EOF)
        reader->bytes_read++;
    else if (ferror(reader->stream))
        reader->error = errno;
    return c;
}

/* Reads up to the next newline, or the end. False: there was nothing. */
static bool line_get(struct reader *reader)
{
    size_t count = 0;
    int c;

    reader->line_bytes = 0;
    reader->has_nul = false;
    while ((c = byte_get(reader)) != EOF && c != '\n') {
        if (count < LINE_BYTES_KEPT)
            reader->buffer[count] = (char)c;
        count++;
        if (c == '\0')
            reader->has_nul = true;
        if (!isspace(c))
            reader->line_bytes = count;
    }
    if (c == EOF && count == 0)
        return false;
    reader->line++;
    size_t kept = reader->line_bytes < LINE_BYTES_KEPT ? reader->line_bytes : LINE_BYTES_KEPT;
    reader->buffer[kept] = '\0';
    return true;
}

/* Finds the text of the line: without a byte order mark and without the blanks around it. */
static void line_trim(struct reader *reader)
{
    static const char mark[] = "\xEF\xBB\xBF";
    char *start = reader->buffer;

    if (reader->line == 1 && strncmp(start, mark, strlen(mark)) == 0)
        start += strlen(mark);
    reader->indented = isspace((unsigned char)*start);
    while (isspace((unsigned char)*start))
        start++;
    reader->text = start;
}

static bool is_blank_or_comment(const struct reader *reader)
{
    if (!*reader->text)
        return reader->line_bytes <= LINE_BYTES_KEPT; /* else text stands behind very many blanks */
    return strchr(";#", *reader->text) != NULL;
}

static const char *skip_blanks(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

/* "[...]" and nothing behind but a comment. */
static bool is_whole_header(const char *text)
{
    const char *bracket = strchr(text, ']');

    return *text == '[' && bracket && strchr(";#", *skip_blanks(bracket + 1));
}

/* "word = ..." or "word: ...": on an indented line, a key that was not meant to be one's
 * continuation. No endpoint looks so. */
static bool is_assignment_like(const char *text)
{
    size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    const char *rest = skip_blanks(text + word);

    return word > 0 && (*rest == '=' || (*rest == ':' && isspace((unsigned char)rest[1])));
}

static void header_read(struct reader *reader)
{
    char *bracket = strchr(reader->text, ']');

    if (!bracket) {
        PROBLEM(reader, "'%s' is no section; write '%s]'", reader->text, reader->text);
        bracket = reader->text + strlen(reader->text);
    } else if (!is_whole_header(reader->text)) {
        PROBLEM(reader, "'%s' stands behind a section; put it on a line of its own",
                skip_blanks(bracket + 1));
    }
    char *header = reader->text + 1;
    *bracket = '\0';
    while (bracket > header && isspace((unsigned char)bracket[-1]))
        *--bracket = '\0';
    reader->above = ABOVE_NOTHING;
    reader->events->section(reader->user, skip_blanks(header), reader->line);
}

/* Settles what an indented line is. False: it is not to be handed to inih. */
static bool indented_admit(struct reader *reader)
{
    bool header = is_whole_header(reader->text);
    bool assignment = is_assignment_like(reader->text);

    if (!header && !assignment) {
        if (reader->above == ABOVE_NOTHING) {
            PROBLEM(reader, "an indented line continues the key above, and there is none; "
                            "remove the indentation");
            line_lost(reader);
        }
        return reader->above == ABOVE_KEY;
    }
    PROBLEM(reader, "an indented line continues the key above; remove the indentation");
    reader->indented = false;
    return true;
}

/* Settles whether inih, which takes so many bytes at most, is to see the line; tells of it where
 * not. */
static bool line_admit(struct reader *reader, size_t bytes_max)
{
    if (bytes_max > LINE_BYTES_KEPT)
        bytes_max = LINE_BYTES_KEPT;
    if (reader->has_nul) {
        PROBLEM(reader, "the line holds a NUL byte; a configuration is plain text");
        line_lost(reader);
        return false;
    }
    if (is_blank_or_comment(reader))
        return false;
    if (reader->line_bytes > bytes_max) {
        PROBLEM(reader, "the line has %zu bytes, and at most %zu are read; shorten it",
                reader->line_bytes, bytes_max);
        line_lost(reader);
        return false;
    }
    if (reader->indented && !indented_admit(reader))
        return false;
    if (!reader->indented && *reader->text == '[') {
        header_read(reader);
        return false;
    }
    return true;
}

/* Cuts off the comment behind the text: a ';' after a blank. */
static void comment_cut(char *text)
{
    for (char *c = text; *c; c++) {
        if (*c == ';' && c > text && isspace((unsigned char)c[-1])) {
            while (c > text && isspace((unsigned char)c[-1]))
                c--;
            *c = '\0';
            return;
        }
    }
}

/* Tells of the line handed over before, where inih found no assignment in it. */
static void answer_check(struct reader *reader)
{
    if (!reader->unanswered)
        return;
    reader->unanswered = false;
    PROBLEM(reader, "'%s' is no assignment; write 'KEY = VALUE'", reader->text);
    line_lost(reader);
}

/* The ini_reader, as fgets(3): the next line that inih is to see. */
static char *reader_next(char *line, int bytes, void *stream)
{
    struct reader *reader = stream;

    answer_check(reader);
    while (line_get(reader)) {
        line_trim(reader);
        if (!line_admit(reader, (size_t)bytes - 2))
            continue;
        reader->unanswered = true;
        reader->continues = reader->indented;
        if (reader->continues)
            comment_cut(reader->text);
        snprintf(line, (size_t)bytes, "%s%s\n", reader->indented ? " " : "", reader->text);
        return line;
    }
    return NULL;
}

/* The ini_handler. Sections are known from their headers, not from inih. */
static int reader_handle(void *user, const char *section, const char *key, const char *value)
{
    struct reader *reader = user;
    const struct reader_assignment assignment = {
        .key = key,
        .value = value,
        .text = reader->text,
        .continues = reader->continues,
        .line = reader->line,
    };

    (void)section;
    if (!*key)
        return 1; /* stays unanswered */
    reader->unanswered = false;
    reader->above = ABOVE_KEY;
    reader->events->assign(reader->user, &assignment);
    return 1;
}

/* Reads and closes the stream. */
static void stream_read(struct reader *reader)
{
    ini_parse_stream(reader_next, reader, reader_handle, reader);
    if (reader->error)
        problems_add(reader->problems, reader->path, 0, "cannot be read: %s",
                     strerror(reader->error));
    else if (reader->bytes_read > READER_FILE_BYTES_MAX)
        problems_add(reader->problems, reader->path, 0,
                     "cannot be read: it is larger than %d bytes, which no configuration is",
                     READER_FILE_BYTES_MAX);
    fclose(reader->stream);
    reader->events->end(reader->user);
}

/* Does not wait for who would write to a pipe. */
static FILE *stream_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "r");

    if (fd >= 0 && !stream)
        close(fd);
    return stream;
}

/* Nothing is in it, and nobody could write more. What is read from here on is waited for. */
static bool is_pipe_of_nobody(FILE *stream)
{
    struct stat file;
    bool ended = false;

    if (fstat(fileno(stream), &file) == 0 && S_ISFIFO(file.st_mode)) {
        int c = getc(stream);
        ended = c == EOF && feof(stream);
        clearerr(stream);
        ungetc(c, stream);
    }
    fcntl(fileno(stream), F_SETFL, 0);
    return ended;
}

void reader_read(const char *path, bool optional, const struct reader_events *events, void *user,
                 struct problems *problems, FILE *copy)
{
    struct reader reader = {
        .path = path,
        .events = events,
        .user = user,
        .problems = problems,
        .copy = copy,
    };

    reader.stream = stream_open(path);
    if (reader.stream && is_pipe_of_nobody(reader.stream)) {
        problems_add(problems, path, 0, "cannot be read: it is a pipe that nobody writes to");
        fclose(reader.stream);
    } else if (reader.stream)
        stream_read(&reader);
    else if (!optional || errno != ENOENT)
        problems_add(problems, path, 0, "cannot be read: %s", strerror(errno));
}

void reader_read_text(const char *path, const char *text, size_t bytes, unsigned line,
                      const struct reader_events *events, void *user, struct problems *problems)
{
    struct reader reader = {
        .path = path,
        .events = events,
        .user = user,
        .problems = problems,
        .line = line - 1,
    };

    if (bytes == 0)
        return;
    reader.stream = fmemopen((void *)text, bytes, "r");
    if (reader.stream)
        stream_read(&reader);
    else
        problems_add(problems, path, 0, "cannot be read: %s", strerror(errno));
}
