/* vsluice guest: the guests of a running vsluice, over its admin socket. */
#include "proxy/admin_client.h"
#include "proxy/admin_uri.h"
#include "proxy/command.h"
#include "proxy/command_config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Longer than any that a configuration may have. */
#define GUEST_NAME_BYTES 256

struct guest_order {
    const char *socket_path;
    const char *name;
    bool end; /* the sessions too */
};

struct row {
    const char *name;
    const char *address;
    json_int_t sessions;
    int frozen;
    json_int_t held;
};

static int status_of_error(int error)
{
    switch (-error) {
    case EACCES:
    case EPERM: return EX_NOPERM;
    case ENOMEM: return EX_OSERR;
    case ENAMETOOLONG: return EX_USAGE;
    default: return EX_UNAVAILABLE;
    }
}

static int report_odd(const struct guest_order *order)
{
    fprintf(stderr,
            "vsluice: %s: the answer is not understood; is the running vsluice of this version?\n",
            order->socket_path);
    return EX_UNAVAILABLE;
}

/* The server's own sentence, where it has one. */
static int report_refusal(const struct guest_order *order, const struct admin_answer *answer)
{
    json_t *body = json_loadb(answer->body, answer->bytes, 0, NULL);
    const char *sentence = json_string_value(json_object_get(body, "error"));

    if (sentence)
        fprintf(stderr, "vsluice: %s\n", sentence);
    else
        fprintf(stderr, "vsluice: %s: refused with status %ld\n", order->socket_path,
                answer->status);
    json_decref(body);
    return EX_UNAVAILABLE;
}

/* 0: *ret is the caller's; else it was told, and this is the exit status. */
static int ask(const struct guest_order *order, const char *method, const char *path, json_t **ret)
{
    struct admin_call call = {.socket_path = order->socket_path, .method = method, .path = path};
    struct admin_answer answer;
    char error[ADMIN_CLIENT_ERROR_BYTES];
    int status = 0;

    int failed = admin_call(&call, &answer, error);
    if (failed) {
        fprintf(stderr, "vsluice: %s\n", error);
        return status_of_error(failed);
    }
    if (answer.status != 200) {
        status = report_refusal(order, &answer);
    } else {
        *ret = json_loadb(answer.body, answer.bytes, 0, NULL);
        status = *ret ? 0 : report_odd(order);
    }
    admin_answer_deinit(&answer);
    return status;
}

static bool read_row(json_t *guest, struct row *ret)
{
    return json_unpack(guest, "{s:s, s:s, s:I, s:b, s:I}", "name", &ret->name, "address",
                       &ret->address, "sessions", &ret->sessions, "frozen", &ret->frozen, "held",
                       &ret->held) == 0;
}

static int wider(int width, size_t length)
{
    return (size_t)width < length ? (int)length : width;
}

static void print_rows(const struct row *rows, size_t count)
{
    int name = (int)strlen("GUEST");
    int address = (int)strlen("ADDRESS");

    for (size_t i = 0; i < count; i++) {
        name = wider(name, strlen(rows[i].name));
        address = wider(address, strlen(rows[i].address));
    }
    printf("%-*s  %-*s  %8s  %-6s  %8s\n", name, "GUEST", address, "ADDRESS", "SESSIONS", "FROZEN",
           "HELD");
    for (size_t i = 0; i < count; i++)
        printf("%-*s  %-*s  %8" JSON_INTEGER_FORMAT "  %-6s  %8" JSON_INTEGER_FORMAT "\n", name,
               rows[i].name, address, rows[i].address, rows[i].sessions,
               rows[i].frozen ? "yes" : "no", rows[i].held);
}

static int print_guests(const struct guest_order *order, json_t *answer)
{
    json_t *guests = json_object_get(answer, "guests");
    size_t count = json_array_size(guests);
    struct row *rows = calloc(count + 1, sizeof(*rows));

    if (!rows) {
        fputs("vsluice: out of memory\n", stderr);
        return EX_OSERR;
    }
    bool sound = json_is_array(guests);
    for (size_t i = 0; sound && i < count; i++)
        sound = read_row(json_array_get(guests, i), &rows[i]);
    if (sound)
        print_rows(rows, count);
    free(rows);
    if (!sound)
        return report_odd(order);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int list(const struct guest_order *order)
{
    json_t *answer;
    int status = ask(order, "GET", "/guests", &answer);

    if (status)
        return status;
    status = print_guests(order, answer);
    json_decref(answer);
    return status;
}

static int order_guest(const struct guest_order *order, const char *verb, const char *query)
{
    char path[64 + ADMIN_URI_ENCODED_BYTES(GUEST_NAME_BYTES)];
    char name[ADMIN_URI_ENCODED_BYTES(GUEST_NAME_BYTES)];
    json_int_t sessions;
    json_t *answer;
    int frozen;

    admin_uri_encode(order->name, name);
    snprintf(path, sizeof(path), "/guests/%s/%s%s", name, verb, query);
    int status = ask(order, "POST", path, &answer);
    if (status)
        return status;
    if (json_unpack(answer, "{s:b, s:I}", "frozen", &frozen, "sessions", &sessions) == 0)
        printf("guest %s is %s, %" JSON_INTEGER_FORMAT " session%s\n", order->name,
               frozen ? "frozen" : "not frozen", sessions, sessions == 1 ? "" : "s");
    else
        status = report_odd(order);
    json_decref(answer);
    return status ? status : fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int freeze(const struct guest_order *order)
{
    return order_guest(order, "freeze", order->end ? "?sessions=end" : "?sessions=keep");
}

static int thaw(const struct guest_order *order)
{
    return order_guest(order, "thaw", "");
}

static const struct {
    const char *word;
    bool named; /* takes the NAME of a guest */
    bool ends;  /* takes --end */
    int (*run)(const struct guest_order *order);
} orders[] = {
    {"list", false, false, list},
    {"freeze", true, true, freeze},
    {"thaw", true, false, thaw},
};

static int usage(const char *what)
{
    fprintf(stderr, "vsluice guest: %s\n", what);
    return command_usage("guest");
}

/* What stands behind the options: an order, and the name that some take. */
static int run_order(char **words, int count, struct guest_order *order)
{
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        if (count == 0 || strcmp(words[0], orders[i].word) != 0)
            continue;
        if (order->end && !orders[i].ends)
            return usage("--end is for freeze");
        if (count != (orders[i].named ? 2 : 1))
            return usage(orders[i].named ? "give the NAME of one guest" : "list takes no NAME");
        order->name = words[count - 1];
        if (!*order->name || strlen(order->name) >= GUEST_NAME_BYTES)
            return usage("that is no guest's NAME");
        return orders[i].run(order);
    }
    return usage("say what to do: list, freeze NAME or thaw NAME");
}

/* The admin socket of the configuration; 0: *ret is the caller's, and has one. */
static int read_config(const char *path, struct config **ret)
{
    struct config_sources sources = {.path = path ? path : CONFIG_PATH_DEFAULT};
    struct config *config;

    int status = command_config_load(&sources, EX_CONFIG, &config);
    if (status)
        return status;
    if (!config->admin_path) {
        fprintf(stderr,
                "vsluice: %s has no 'admin-socket' in [global]: add one and restart vsluice, or "
                "give --admin PATH\n",
                sources.path);
        config_free(config);
        return EX_CONFIG;
    }
    *ret = config;
    return 0;
}

int command_guest(int argc, char **argv)
{
    static const struct option options[] = {
        {"admin", required_argument, NULL, 'a'},
        {"config", required_argument, NULL, 'c'},
        {"end", no_argument, NULL, 'e'},
        {0},
    };
    struct guest_order order = {0};
    struct config *config = NULL;
    const char *path = NULL;
    int status = 0;
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option == 'a')
            order.socket_path = optarg;
        else if (option == 'c')
            path = optarg;
        else if (option == 'e')
            order.end = true;
        else
            return command_usage(argv[0]);
    }
    if (order.socket_path && path)
        return usage("give -c FILE or --admin PATH, not both");
    if (!order.socket_path) {
        status = read_config(path, &config);
        if (status)
            return status;
        order.socket_path = config->admin_path;
    }
    status = run_order(argv + optind, argc - optind, &order);
    if (config)
        config_free(config);
    return status;
}
