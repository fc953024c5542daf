/* Random endpoints: what is printed is read back as the same value, and printed as the same text;
 * and no text, however wrong, is read without its meaning surviving that.
 */
#include "config/endpoint.h"

#include "tests/config/random.h"
#include "vsock/vsock.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 20000

static void random_letters(struct random *random, const char *letters, char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        text[i] = letters[random_below(random, (uint32_t)strlen(letters))];
    text[length] = '\0';
}

static uint32_t random_port(struct random *random, enum endpoint_role role, uint32_t max)
{
    uint32_t least = role == ENDPOINT_LISTEN ? 0 : 1;

    switch (random_below(random, 4)) {
    case 0: return least;
    case 1: return max;
    default: return least + random_below(random, (max >> random_below(random, 12)) - least + 1);
    }
}

static void random_host(struct random *random, enum endpoint_role role, char *host)
{
    struct in6_addr v6;
    uint32_t v4 = (uint32_t)random_next(random);

    switch (random_below(random, role == ENDPOINT_LISTEN ? 5 : 4)) {
    case 0: inet_ntop(AF_INET, &v4, host, ENDPOINT_NAME_BYTES); break;
    case 1:
        for (size_t i = 0; i < 16; i++)
            v6.s6_addr[i] = random_below(random, 3) ? (uint8_t)random_next(random) : 0;
        inet_ntop(AF_INET6, &v6, host, ENDPOINT_NAME_BYTES);
        if (random_below(random, 2)) {
            strcat(host, "%");
            random_letters(random, "abz019.-_", host + strlen(host), 1 + random_below(random, 15));
        }
        break;
    case 2:
    case 3:
        strcpy(host, "h");
        for (uint32_t labels = random_below(random, 4); labels > 0; labels--) {
            random_letters(random, "abcXYZ019_", host + strlen(host), 1 + random_below(random, 60));
            strcat(host, ".");
            random_letters(random, "ab_", host + strlen(host), random_below(random, 2));
            strcat(host, "x");
        }
        break;
    default: strcpy(host, "*");
    }
}

static struct endpoint random_endpoint(struct random *random, enum endpoint_role role)
{
    static const char path_letters[] = "ab/:=_-. @%[]{}'\"\\#;\xc3\xa4";
    static const char name_letters[] = "abcXYZ019._-";
    struct endpoint endpoint = {.fd = -1};
    char *name = endpoint.name;

    do {
        endpoint.kind = (enum endpoint_kind)random_below(random, ENDPOINT_MUX + 1);
    } while (role == ENDPOINT_LISTEN ? endpoint.kind == ENDPOINT_MACHINE
                                     : endpoint.kind >= ENDPOINT_FD);
    switch (endpoint.kind) {
    case ENDPOINT_TCP:
        random_host(random, role, name);
        endpoint.port = random_port(random, role, 65535);
        break;
    case ENDPOINT_UNIX:
    case ENDPOINT_MUX:
        strcpy(name, random_below(random, 2) ? "/" : "@");
        random_letters(random, path_letters, name + 1, random_below(random, 106));
        strcat(name, "x");
        break;
    case ENDPOINT_VSOCK:
        endpoint.cid = (uint32_t)random_next(random) >> random_below(random, 32);
        if (endpoint.cid == VSOCK_CID_ANY && role == ENDPOINT_TARGET)
            endpoint.cid = 3;
        endpoint.port = random_port(random, role, VSOCK_PORT_ANY - 1);
        break;
    case ENDPOINT_VSOCK_MUX:
        strcpy(name, "/");
        random_letters(random, path_letters, name + 1, random_below(random, 95));
        strcat(name, "x");
        endpoint.port = random_port(random, ENDPOINT_TARGET, VSOCK_PORT_ANY - 1);
        break;
    case ENDPOINT_GUEST:
    case ENDPOINT_MACHINE:
        random_letters(random, name_letters, name, 1 + random_below(random, 48));
        endpoint.port = random_port(random, role, VSOCK_PORT_ANY - 1);
        break;
    case ENDPOINT_FD:
        if (random_below(random, 2))
            endpoint.fd = (int)random_below(random, INT32_MAX);
        else
            random_letters(random, "ab.", name, 1 + random_below(random, 255));
        break;
    }
    return endpoint;
}

Test(endpoint_random, what_is_printed_is_read_back)
{
    struct random random = random_make(5);

    for (unsigned i = 0; i < ROUNDS; i++) {
        enum endpoint_role role = i % 2 ? ENDPOINT_LISTEN : ENDPOINT_TARGET;
        struct endpoint endpoint = random_endpoint(&random, role);
        struct endpoint back;
        char text[ENDPOINT_TEXT_BYTES];
        char text_back[ENDPOINT_TEXT_BYTES];
        char error[ENDPOINT_ERROR_BYTES];
        size_t length = endpoint_format(&endpoint, text);

        cr_assert_eq(length, strlen(text), "seed %" PRIu64 ": %s", random.seed, text);
        cr_assert_eq(endpoint_parse(text, role, &back, error), 0, "seed %" PRIu64 ": %s",
                     random.seed, error);
        cr_assert(endpoint_equal(&endpoint, &back), "seed %" PRIu64 ": %s", random.seed, text);
        endpoint_format(&back, text_back);
        cr_assert_str_eq(text, text_back, "seed %" PRIu64, random.seed);
    }
}

Test(endpoint_random, ranges_that_are_printed_are_read_back)
{
    struct random random = random_make(8);

    for (unsigned i = 0; i < ROUNDS; i++) {
        enum endpoint_role role = i % 2 ? ENDPOINT_LISTEN : ENDPOINT_TARGET;
        struct endpoint endpoint = random_endpoint(&random, role);
        uint32_t max = endpoint.kind == ENDPOINT_TCP ? 65535 : VSOCK_PORT_ANY - 1;
        uint32_t count = 1 + random_below(&random, ENDPOINT_PORTS_MAX);
        struct endpoint back;
        uint32_t count_back;
        char text[ENDPOINT_TEXT_BYTES];
        char error[ENDPOINT_ERROR_BYTES];

        if (!endpoint_has_port(&endpoint))
            continue;
        if (endpoint.port == 0 || endpoint.port > max - count + 1)
            endpoint.port = max - count + 1;
        endpoint_format_ports(&endpoint, count, text);
        cr_assert_eq(endpoint_of_route_parse(text, role, &back, &count_back, error), 0,
                     "seed %" PRIu64 ": %s", random.seed, error);
        cr_assert(endpoint_equal(&endpoint, &back), "seed %" PRIu64 ": %s", random.seed, text);
        cr_assert_eq(count_back, count, "seed %" PRIu64 ": %s", random.seed, text);
    }
}

/* A printed endpoint with a few bytes changed. */
static void mutate(struct random *random, char *text)
{
    static const char letters[] = ":/@[]*%.-0123456789tcpunixvsockmuxguestfd= ";

    for (uint32_t changes = 1 + random_below(random, 4); changes > 0; changes--) {
        size_t length = strlen(text);
        size_t at = random_below(random, (uint32_t)length + 1);
        char letter = letters[random_below(random, sizeof(letters) - 1)];
        switch (random_below(random, 3)) {
        case 0:
            if (at < length)
                text[at] = letter;
            break;
        case 1: /* also the NUL */
            memmove(text + at, text + at + (at < length), length - at + (at == length));
            break;
        default: memmove(text + at + 1, text + at, length - at + 1); text[at] = letter;
        }
    }
}

Test(endpoint_random, what_is_read_of_a_wrong_text_is_a_right_endpoint)
{
    struct random random = random_make(6);
    unsigned accepted = 0;

    for (unsigned i = 0; i < 10 * ROUNDS; i++) {
        enum endpoint_role role = i % 2 ? ENDPOINT_LISTEN : ENDPOINT_TARGET;
        struct endpoint endpoint = random_endpoint(&random, role);
        struct endpoint back;
        char text[ENDPOINT_TEXT_BYTES + 8];
        char error[ENDPOINT_ERROR_BYTES] = "";

        endpoint_format(&endpoint, text);
        mutate(&random, text);
        if (endpoint_parse(text, role, &endpoint, error) < 0) {
            cr_assert_gt(strlen(error), 10, "seed %" PRIu64 ": %s", random.seed, text);
            continue;
        }
        accepted++;
        cr_assert_str_eq(error, "");
        endpoint_format(&endpoint, text);
        cr_assert_eq(endpoint_parse(text, role, &back, error), 0, "seed %" PRIu64 ": %s",
                     random.seed, error);
        cr_assert(endpoint_equal(&endpoint, &back), "seed %" PRIu64 ": %s", random.seed, text);
    }
    cr_assert_gt(accepted, ROUNDS, "the mutations are too wild to test anything");
}
