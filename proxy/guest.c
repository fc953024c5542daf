/* vsluice guest: the guests of a running vsluice, over its admin socket. */
#include "proxy/admin_ask.h"
#include "proxy/admin_uri.h"
#include "proxy/command.h"

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
    char *socket_path;
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
        return admin_ask_odd(order->socket_path);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int list(const struct guest_order *order)
{
    json_t *answer;
    int status = admin_ask(order->socket_path, "GET", "/guests", &answer);

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
    int status = admin_ask(order->socket_path, "POST", path, &answer);
    if (status)
        return status;
    if (json_unpack(answer, "{s:b, s:I}", "frozen", &frozen, "sessions", &sessions) == 0)
        printf("guest %s is %s, %" JSON_INTEGER_FORMAT " session%s\n", order->name,
               frozen ? "frozen" : "not frozen", sessions, sessions == 1 ? "" : "s");
    else
        status = admin_ask_odd(order->socket_path);
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

int command_guest(int argc, char **argv)
{
    static const struct option options[] = {
        {"admin", required_argument, NULL, 'a'},
        {"config", required_argument, NULL, 'c'},
        {"end", no_argument, NULL, 'e'},
        {0},
    };
    struct guest_order order = {0};
    const char *admin = NULL;
    const char *config_path = NULL;
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option == 'a')
            admin = optarg;
        else if (option == 'c')
            config_path = optarg;
        else if (option == 'e')
            order.end = true;
        else
            return command_usage(argv[0]);
    }
    int status = admin_ask_socket(argv[0], admin, config_path, &order.socket_path);
    if (status == 0) {
        status = run_order(argv + optind, argc - optind, &order);
        free(order.socket_path);
    }
    return status;
}
