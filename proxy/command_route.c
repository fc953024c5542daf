/* vsluice route: routes of a running vsluice, and some more or less of them. */
#include "proxy/added_text.h"
#include "proxy/admin_ask.h"
#include "proxy/admin_uri.h"
#include "proxy/columns.h"
#include "proxy/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct wish {
    const char *admin;
    const char *config_path;
    const char *file;
    const char *name; /* of --name */
    char *socket_path;
    char **words; /* behind the order */
    int count;
};

/* All of them, with blanks between; to free. NULL: out of memory. */
static char *join(json_t *texts)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    json_t *one;
    size_t i;

    if (!stream)
        return NULL;
    json_array_foreach(texts, i, one)
    {
        fprintf(stream, "%s%s", i ? " " : "", json_is_string(one) ? json_string_value(one) : "?");
    }
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

static bool add_row(struct columns *columns, json_t *route)
{
    const char *name;
    const char *origin;
    json_int_t sessions;
    json_t *listens;
    json_t *targets;
    int template;
    int drained;

    if (json_unpack(route, "{s:s, s:s, s:b, s:b, s:I, s:o, s:o}", "name", &name, "origin", &origin,
                    "template", &template, "drained", &drained, "sessions", &sessions, "listen",
                    &listens, "targets", &targets) != 0)
        return false;
    char *listen = join(listens);
    char *target = join(targets);
    columns_add(columns, "%s", name);
    columns_add(columns, "%s", origin);
    columns_add(columns, "%s", drained ? "drained" : template ? "template" : "listening");
    columns_add(columns, "%" JSON_INTEGER_FORMAT, sessions);
    columns_add(columns, "%s", listen ? listen : "?");
    columns_add(columns, "%s", target ? target : "?");
    free(listen);
    free(target);
    return true;
}

static int print_routes(const struct wish *wish, json_t *answer)
{
    struct columns columns = {
        .heads = {"<ROUTE", "<ORIGIN", "<STATE", "SESSIONS", "<LISTEN", "<TARGETS"}};
    json_t *routes = json_object_get(answer, "routes");
    bool sound = json_is_array(routes);
    json_t *route;
    size_t i;

    json_array_foreach(routes, i, route)
    {
        sound = sound && add_row(&columns, route);
    }
    sound = sound && columns_print(&columns, &(struct columns_form){0}, stdout);
    columns_deinit(&columns);
    json_decref(answer);
    if (!sound)
        return admin_ask_odd(wish->socket_path);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int list(const struct wish *wish)
{
    json_t *answer;
    int status = admin_ask(wish->socket_path, "GET", "/routes", &answer);

    return status ? status : print_routes(wish, answer);
}

static int add(const struct wish *wish)
{
    json_t *answer;
    char *text;

    int status = wish->file ? added_text_read(wish->file, &text)
                            : added_text_of_route(wish->words[0], wish->name, &text);
    if (status)
        return status;
    status = admin_ask_with(wish->socket_path, "POST", "/routes", text, &answer);
    free(text);
    return status ? status : print_routes(wish, answer);
}

static int remove_one(const struct wish *wish)
{
    const char *name = wish->words[0];
    char *encoded = malloc(ADMIN_URI_ENCODED_BYTES(strlen(name)));
    char *path = NULL;
    json_t *answer;

    if (encoded) {
        admin_uri_encode(name, encoded);
        if (asprintf(&path, "/routes/%s", encoded) < 0)
            path = NULL;
    }
    int status = path ? admin_ask(wish->socket_path, "DELETE", path, &answer) : EX_OSERR;
    free(path);
    free(encoded);
    if (status)
        return status;
    json_decref(answer);
    printf("route %s is removed\n", name);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int usage(const char *what)
{
    fprintf(stderr, "vsluice route: %s\n", what);
    return command_usage("route");
}

/* The order of that word, where its words and options are right; NULL: it was told. */
static int (*find_order(const char *word, const struct wish *wish))(const struct wish *)
{
    bool is_add = strcmp(word, "add") == 0;
    bool has_one = wish->count == 1 && *wish->words[0];

    if (!is_add && (wish->file || wish->name))
        usage("-f and --name are for add");
    else if (strcmp(word, "list") == 0 && wish->count == 0)
        return list;
    else if (strcmp(word, "remove") == 0 && has_one)
        return remove_one;
    else if (is_add && !wish->file && has_one)
        return add;
    else if (is_add && wish->file && wish->count == 0 && !wish->name)
        return add;
    else
        usage("say what to do: list, add -f FILE, add [--name NAME] LISTEN=TARGET, or remove NAME");
    return NULL;
}

static bool wish_read(int argc, char **argv, struct wish *ret)
{
    static const struct option options[] = {
        {"admin", required_argument, NULL, 'a'},
        {"config", required_argument, NULL, 'c'},
        {"file", required_argument, NULL, 'f'},
        {"name", required_argument, NULL, 'n'},
        {0},
    };
    int option;

    *ret = (struct wish){0};
    optind = 1;
    while ((option = getopt_long(argc, argv, "c:f:", options, NULL)) != -1) {
        switch (option) {
        case 'a': ret->admin = optarg; break;
        case 'c': ret->config_path = optarg; break;
        case 'f': ret->file = optarg; break;
        case 'n': ret->name = optarg; break;
        default: return false;
        }
    }
    return true;
}

int command_route(int argc, char **argv)
{
    struct wish wish;

    if (!wish_read(argc, argv, &wish))
        return command_usage("route");
    const char *word = optind < argc ? argv[optind] : "";
    wish.words = argv + optind + 1;
    wish.count = optind < argc ? argc - optind - 1 : 0;
    int (*order)(const struct wish *) = find_order(word, &wish);
    if (!order)
        return EX_USAGE;
    int status = admin_ask_socket("route", wish.admin, wish.config_path, &wish.socket_path);
    if (status == 0) {
        status = order(&wish);
        free(wish.socket_path);
    }
    return status;
}
