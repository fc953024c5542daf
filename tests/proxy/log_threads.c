/* Threads that log at once, under ThreadSanitizer: each line whole, those of each thread in their
 * order, and all that are missing told. One floods, so that lines of its are left out. */
#include "proxy/log.h"
#include "proxy/log_flood.h"
#include "ring/clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4
#define LIMIT   50

static unsigned lines;

static void expect(int holds, const char *what)
{
    if (holds)
        return;
    printf("log_threads: %s\n", what);
    exit(1);
}

static void *tell(void *argument)
{
    unsigned thread = (unsigned)(uintptr_t)argument, refused = 0;

    for (unsigned i = 0; i < lines; i++) {
        log_of("ROUTE", "r", LOG_INFO, "thread %u line %u of many", thread, i);
        if (thread == 0)
            refused += !log_flood_admit("r", "refused", clock_ns());
        if (i % 256 == 0)
            log_configure(&(struct config){.log_format = CONFIG_LOG_TEXT, .log_rate = LIMIT});
    }
    expect(thread > 0 || refused == lines - LIMIT, "the flood was not left out");
    return NULL;
}

/* What came through the pipe. */
struct seen {
    unsigned next[THREADS];
    uint64_t whole;
    uint64_t lost;
    uint64_t left_out;
};

static void see(struct seen *seen, const char *line)
{
    unsigned thread, number;
    uint64_t count;
    int end = 0;

    if (sscanf(line, "thread %u line %u of many\n%n", &thread, &number, &end) == 2 && end > 0) {
        expect(thread < THREADS && number >= seen->next[thread], "out of order");
        seen->next[thread] = number + 1;
        seen->whole++;
    } else if (sscanf(line, "vsluice: %" SCNu64 " line", &count) == 1) {
        seen->lost += count;
    } else if (sscanf(line, "route r: %" SCNu64 " more", &count) == 1) {
        seen->left_out += count;
    } else {
        expect(0, line);
    }
}

static void *take(void *argument)
{
    FILE *stream = argument;
    static struct seen seen;
    char line[LOG_LINE_BYTES];

    while (fgets(line, sizeof(line), stream)) {
        see(&seen, line);
        if (seen.whole % 1024 == 0)
            usleep(20000);
    }
    fclose(stream);
    return &seen;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS], reader;
    int pipe_fds[2];
    struct seen *seen;

    lines = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    if (lines == 0)
        return 0;
    expect(lines > LIMIT && pipe(pipe_fds) == 0, "usage: log_threads LINES");
    dup2(pipe_fds[1], STDERR_FILENO);
    close(pipe_fds[1]);
    pthread_create(&reader, NULL, take, fdopen(pipe_fds[0], "r"));
    log_configure(&(struct config){.log_format = CONFIG_LOG_TEXT, .log_rate = LIMIT});
    log_start();
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, tell, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_stop();
    close(STDERR_FILENO);
    pthread_join(reader, (void **)&seen);
    expect(seen->whole + seen->lost == (uint64_t)THREADS * lines, "lines are missing");
    expect(seen->left_out == lines - LIMIT, "what was left out is not told");
    printf("%" PRIu64 " lines whole, %" PRIu64 " told as lost\n", seen->whole, seen->lost);
    return 0;
}
