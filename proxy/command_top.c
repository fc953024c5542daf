/* vsluice top: what a running vsluice does, again and again. */
#include "config/units.h"
#include "proxy/admin_ask.h"
#include "proxy/command.h"
#include "proxy/terminal.h"
#include "proxy/top_frame.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define INTERVAL_NS     UINT64_C(1000000000)
#define INTERVAL_NS_MIN UINT64_C(100000000)
#define INTERVAL_NS_MAX (UINT64_C(86400) * 1000000000)
#define KEY_INTERRUPT   3 /* Ctrl-C */

struct top {
    const char *socket_path;
    int interval_ms;
    bool drawn;
    bool once;
    enum top_order order;
    struct top_sample sample;
    char error[ADMIN_ASK_ERROR_BYTES]; /* of the latest answer; "": it came */
};

/* The next sample. 0; else the exit status, and top->error. */
static int look(struct top *top)
{
    struct top_sample sample;

    top->error[0] = '\0';
    int status = top_sample_take(top->socket_path, &sample, top->error);
    if (status)
        return status;
    if (top->sample.status)
        top_sample_compare(&sample, &top->sample);
    top_sample_deinit(&top->sample);
    top->sample = sample;
    return 0;
}

/* In one piece: nobody sees half a frame. false: it cannot be written. */
static bool show(const struct top *top)
{
    struct terminal_size size = terminal_size();
    struct top_form form = {
        .order = top->order,
        .drawn = top->drawn,
        .columns = size.columns,
        .rows = size.rows,
        .trouble = *top->error ? top->error : NULL,
    };
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);

    bool sound = stream && top_frame_print(&top->sample, &form, stream);
    if (stream)
        sound = fclose(stream) == 0 && sound;
    if (sound)
        fwrite(text, 1, bytes, stdout);
    free(text);
    return fflush(stdout) == 0 && sound;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What a key means. false: to end. */
static bool obey(struct top *top, int key, bool *ret_now)
{
    switch (key) {
    case 'q':
    case 'Q':
    case KEY_INTERRUPT:
    case TERMINAL_END: return false;
    case ' ': *ret_now = true; return true;
    case 'b': top->order = TOP_BUSIEST; break;
    case 'o': top->order = TOP_OLDEST; break;
    case 'l': top->order = TOP_LATEST; break;
    case TERMINAL_RESIZE: break;
    default: return true;
    }
    return !top->drawn || show(top);
}

/* Until the next look. false: to end. */
static bool wait_interval(struct top *top)
{
    uint64_t end_ms = now_ms() + (uint64_t)top->interval_ms;
    bool now = false;

    for (uint64_t ms = now_ms(); ms < end_ms && !now; ms = now_ms())
        if (!obey(top, terminal_wait(top->drawn, (int)(end_ms - ms)), &now))
            return false;
    return true;
}

static int fail(const struct top *top, int status)
{
    fprintf(stderr, "vsluice: %s\n", top->error);
    return status;
}

/* One that is drawn lives on while vsluice does not: it may be starting again. */
static int draw(struct top *top)
{
    if (terminal_take() < 0)
        return EX_IOERR;
    bool sound = show(top);
    while (sound && wait_interval(top)) {
        look(top);
        sound = show(top);
    }
    terminal_give_back();
    return sound ? EX_OK : EX_IOERR;
}

/* Rates need two. */
static int print(struct top *top)
{
    while (wait_interval(top)) {
        int status = look(top);
        if (status)
            return fail(top, status);
        if (!show(top))
            return EX_IOERR;
        if (top->once)
            return EX_OK;
        putchar('\n');
    }
    return EX_OK;
}

static int run(const char *socket_path, struct top *top)
{
    top->socket_path = socket_path;
    int status = look(top);
    if (status)
        return fail(top, status);
    terminal_take_signals();
    status = top->drawn ? draw(top) : print(top);
    top_sample_deinit(&top->sample);
    return status;
}

struct wish {
    const char *admin;
    const char *config_path;
    const char *interval;
    bool once;
    bool batch;
};

static bool wish_read(int argc, char **argv, struct wish *ret)
{
    static const struct option options[] = {
        {"admin", required_argument, NULL, 'a'},    {"config", required_argument, NULL, 'c'},
        {"interval", required_argument, NULL, 'i'}, {"once", no_argument, NULL, 'o'},
        {"batch", no_argument, NULL, 'b'},          {0},
    };
    int option;

    *ret = (struct wish){.interval = "1s"};
    optind = 1;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        switch (option) {
        case 'a': ret->admin = optarg; break;
        case 'c': ret->config_path = optarg; break;
        case 'i': ret->interval = optarg; break;
        case 'o': ret->once = true; break;
        case 'b': ret->batch = true; break;
        default: return false;
        }
    }
    return argc == optind;
}

int command_top(int argc, char **argv)
{
    char *socket_path;
    uint64_t interval_ns = INTERVAL_NS;
    struct wish wish;

    if (!wish_read(argc, argv, &wish))
        return command_usage("top");
    if (duration_parse(wish.interval, &interval_ns) < 0 || interval_ns < INTERVAL_NS_MIN ||
        interval_ns > INTERVAL_NS_MAX) {
        fprintf(stderr, "vsluice top: '%s' is no interval; give one from 100ms to 24h\n",
                wish.interval);
        return command_usage("top");
    }
    struct top *top = calloc(1, sizeof(*top));
    if (!top)
        return EX_OSERR;
    top->interval_ms = (int)(interval_ns / 1000000);
    top->once = wish.once;
    top->drawn = !wish.once && !wish.batch && terminal_is_there();
    int status = admin_ask_socket("top", wish.admin, wish.config_path, &socket_path);
    if (status == 0) {
        status = run(socket_path, top);
        free(socket_path);
    }
    free(top);
    return status;
}
