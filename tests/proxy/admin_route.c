/* What the admin socket makes of a method, a path and a query; and percent-encoding. */
#include "proxy/admin_route.h"

#include "proxy/admin_uri.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static int show(void *owner, struct admin_request *request)
{
    const char *mode = admin_request_parameter(request, "mode");

    fprintf(request->answer, "%s", (const char *)owner);
    for (size_t i = 0; i < ADMIN_VALUES_MAX && request->values[i]; i++)
        fprintf(request->answer, " <%s>", request->values[i]);
    if (mode)
        fprintf(request->answer, " mode=<%s>", mode);
    return 200;
}

static int change_its_mind(void *owner, struct admin_request *request)
{
    fputs("much that is not to be seen, longer than what comes, which is a sentence of some words",
          request->answer);
    return admin_refuse(request, 409, "no: %s", "\"quoted\" \n\x01 \303\274");
}

static int worded(void *owner, struct admin_request *request)
{
    return admin_refuse(request, 404, "no \377\xfe Latin");
}

static const struct admin_route table[] = {
    {"GET", "/", show, {NULL}},
    {"GET", "/things", show, {"mode", "other"}},
    {"POST", "/things/{name}/do", show, {"mode"}},
    {"PUT", "/things/{name}/do", show, {NULL}},
    {"GET", "/{a}/{b}/{c}/{d}", show, {NULL}},
    {"POST", "/mind", change_its_mind, {NULL}},
    {"POST", "/worded", worded, {NULL}},
};

static bool read_only;

static char *ask(const char *method, const char *uri, int status, struct admin_request *request)
{
    struct admin_routes routes = {table, sizeof(table) / sizeof(table[0]), "called", "/t/x",
                                  read_only};
    char *text = NULL;
    size_t bytes;

    *request = (struct admin_request){.method = method, .answer = open_memstream(&text, &bytes)};
    cr_assert_not_null(request->answer);
    int given = admin_routes_call(&routes, uri, request);
    fclose(request->answer);
    cr_assert_eq(given, status, "%s %s: %d: %s", method, uri, given, text);
    return text;
}

static void expect(const char *method, const char *uri, int status, const char *text)
{
    struct admin_request request;
    char *given = ask(method, uri, status, &request);

    cr_assert_str_eq(given, text, "%s %s", method, uri);
    cr_assert_str_eq(request.content_type, "application/json");
    free(given);
}

static void expect_error(const char *method, const char *uri, int status, const char *part)
{
    struct admin_request request;
    char *given = ask(method, uri, status, &request);

    cr_assert_eq(strncmp(given, "{\"error\": \"", 11), 0, "%s", given);
    cr_assert_str_eq(given + strlen(given) - 3, "\"}\n");
    cr_assert_not_null(strstr(given, part), "%s %s: %s", method, uri, given);
    free(given);
}

Test(admin_route, matches)
{
    expect("GET", "/", 200, "called");
    expect("GET", "/?", 200, "called");
    expect("GET", "/things", 200, "called");
    expect("GET", "/things?mode=fast", 200, "called mode=<fast>");
    expect("GET", "/things?mode", 200, "called mode=<>");
    expect("GET", "/things?&other=1&&mode=a%26b=c&", 200, "called mode=<a&b=c>");
    expect("POST", "/things/web1/do", 200, "called <web1>");
    expect("PUT", "/things/web1/do", 200, "called <web1>");
    expect("POST", "/things/../do", 200, "called <..>");
    expect("POST", "/things/a%2Fb%20%3f%25/do?mode=x", 200, "called <a/b ?%> mode=<x>");
    expect("GET", "/1/2/3/4", 200, "called <1> <2> <3> <4>");
}

Test(admin_route, no_such_path)
{
    static const char *const paths[] = {
        "",
        "things",
        "*",
        "/thing",
        "/things/",
        "/things//do",
        "/things/a/do/",
        "/things/a",
        "//things",
        "/Things",
        "/1/2/3/4/5",
        "/a/b/c/d/e/f/g/h/i/j/k",
        "http://host/things",
    };

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        expect_error("GET", paths[i], 404, "there is no '");
        expect_error("GET", paths[i], 404, "GET /things, POST /things/{name}/do");
    }
}

Test(admin_route, no_such_method)
{
    struct admin_request request;
    char *text = ask("DELETE", "/things/web1/do", 405, &request);

    cr_assert_str_eq(request.allow, "POST, PUT");
    cr_assert_str_eq(text, "{\"error\": \"'/things/web1/do' is not for DELETE; use POST, PUT\"}\n");
    free(text);
    text = ask("GET", "/things", 200, &request);
    cr_assert_str_eq(request.allow, "");
    free(text);
    expect_error("get", "/things", 405, "use GET");
}

Test(admin_route, read_only)
{
    struct admin_request request;

    read_only = true;
    expect("GET", "/things?mode=fast", 200, "called mode=<fast>");
    expect_error("POST", "/things/web1/do", 403, "ask the admin socket");
    expect_error("GET", "/things/web1/do", 403, "ask the admin socket");
    expect_error("PUT", "/things/web1/do", 403, "ask the admin socket");
    expect_error("POST", "/thing", 404, "there is no '/thing'");
    char *text = ask("GET", "/thing", 404, &request);
    cr_assert_null(strstr(text, "POST"), "%s", text);
    free(text);
    text = ask("POST", "/things", 405, &request);
    cr_assert_str_eq(request.allow, "GET");
    free(text);
}

Test(admin_route, wrong_parts)
{
    expect_error("GET", "/things/%", 400, "percent-encoded");
    expect_error("GET", "/things/%4", 400, "percent-encoded");
    expect_error("GET", "/things/%4g", 400, "percent-encoded");
    expect_error("POST", "/things/web1%00/do", 400, "percent-encoded");
    expect_error("GET", "/things?mode=%zz", 400, "KEY=VALUE");
    expect_error("GET", "/things?mode=1&mode=2&mode=3&mode=4&mode=5", 400, "of 4 at most");
    expect_error("GET", "/things?Mode=1", 400,
                 "'Mode' is no parameter of GET /things; known here: 'mode', 'other'");
    expect_error("PUT", "/things/a/do?mode=1", 400, "known here: none");
}

/* What was sent is quoted, and not all of it. */
Test(admin_route, long_parts)
{
    char uri[8192] = "/";

    memset(uri + 1, 'x', sizeof(uri) - 2);
    expect_error("GET", uri, 404, "xxx' here; there are GET /, ");
    memcpy(uri, "/things?", 8);
    expect_error("GET", uri, 400, "xxx' is no parameter");
    memset(uri + 1, '/', sizeof(uri) - 2);
    expect_error("GET", uri, 404, "there is no");
}

Test(admin_route, sentences)
{
    expect("POST", "/mind", 409, "{\"error\": \"no: \\\"quoted\\\" \\n\\u0001 \303\274\"}\n");
    expect("POST", "/worded", 404, "{\"error\": \"no ?? Latin\"}\n");
}

Test(admin_uri, every_byte_there_and_back)
{
    char text[256];
    char encoded[ADMIN_URI_ENCODED_BYTES(255)];

    for (int i = 0; i < 255; i++)
        text[i] = (char)(i + 1);
    text[255] = '\0';
    admin_uri_encode(text, encoded);
    cr_assert_eq(strspn(encoded, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789-._~%"),
                 strlen(encoded));
    cr_assert(admin_uri_decode(encoded));
    cr_assert_str_eq(encoded, text);
}

Test(admin_uri, fills_its_room)
{
    char encoded[ADMIN_URI_ENCODED_BYTES(2)];

    admin_uri_encode("/\377", encoded);
    cr_assert_str_eq(encoded, "%2F%FF");
    cr_assert_eq(strlen(encoded) + 1, sizeof(encoded));
}
