/* Records: what a reader of JSON or of the journal's fields finds in them, whatever names hold. */
#include "proxy/log_record.h"

#include "tests/fake/random.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <syslog.h>

#define ROUNDS  30000
#define TIME_US UINT64_C(1700000000012345)

static struct log_record record;

static void encode(enum log_encoding encoding, const char *message, const struct log_field *fields,
                   size_t count)
{
    const struct log_event event = {
        .priority = LOG_WARNING,
        .id = "0123456789abcdef0123456789abcdef",
        .fields = fields,
        .field_count = count,
    };

    memset(&record, 0x5a, sizeof(record));
    log_record_encode(&record, encoding, &event, message, TIME_US);
    cr_assert_eq(record.encoding, encoding);
    cr_assert_leq(record.length, sizeof(record.bytes));
}

static void expect(enum log_encoding encoding, const char *message, const struct log_field *fields,
                   size_t count, const char *expected, size_t length)
{
    encode(encoding, message, fields, count);
    cr_assert_eq(record.length, length, "%.*s", (int)record.length, record.bytes);
    cr_assert_arr_eq(record.bytes, expected, length, "%.*s", (int)record.length, record.bytes);
}

#define EXPECT(encoding, message, fields, count, expected) \
    expect(encoding, message, fields, count, expected, sizeof(expected) - 1)

static const struct log_field fields[] = {
    {.name = "ROUTE", .text = "w\"e\\b\n"},
    {.name = "BYTES_THERE", .number = UINT64_MAX},
};

Test(log_record, text_is_the_message)
{
    EXPECT(LOG_TEXT, "hello", fields, 2, "hello\n");
    EXPECT(LOG_TEXT, "", NULL, 0, "\n");
    EXPECT(LOG_TEXT, "a\nready\x1b[2J\t\x7f", NULL, 0, "a?ready?[2J??\n");
    EXPECT(LOG_TEXT, "gr\xc3\xbc\xc3\x9f \xff", NULL, 0, "gr\xc3\xbc\xc3\x9f \xff\n");
}

Test(log_record, json)
{
    EXPECT(LOG_JSON, "say \"hi\"\n", fields, 2,
           "{\"time\":\"2023-11-14T22:13:20.012345Z\",\"priority\":4,\"message\":\"say "
           "\\\"hi\\\"?\",\"message_id\":\"0123456789abcdef0123456789abcdef\",\"route\":"
           "\"w\\\"e\\\\b?\",\"bytes_there\":18446744073709551615}\n");
}

Test(log_record, journal)
{
    EXPECT(LOG_JOURNAL, "a=b\nPRIORITY=0", fields, 2,
           "MESSAGE=a=b?PRIORITY=0\0PRIORITY=4\0SYSLOG_IDENTIFIER=vsluice\0"
           "MESSAGE_ID=0123456789abcdef0123456789abcdef\0ROUTE=w\"e\\b?\0"
           "BYTES_THERE=18446744073709551615\0");
}

/* Characters as RFC 3629 has them; '?' for each byte of anything else. */
Test(log_record, what_is_no_utf8)
{
    static const struct {
        const char *text;
        const char *shown;
    } rows[] = {
        {"\xc2\xa0\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
         "\xc2\xa0\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        {"\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"},
        {"\x80|\xbf|\xc0|\xff|\xfe|\xf8", "?|?|?|?|?|?"},
        {"\xc0\xaf|\xc1\xbf|\xe0\x9f\xbf|\xf0\x8f\xbf\xbf", "??|??|???|????"},
        {"\xed\xa0\x80|\xed\xbf\xbf", "???|???"},
        {"\xf4\x90\x80\x80|\xf5\x80\x80\x80", "????|????"},
        {"\xc2\x80|\xc2\x9b|\xc2\x9f", "??|??|??"},
        {"\xc3|\xe2\x82|\xf0\x9f\x98|\xe2", "?|??|???|?"},
    };
    char expected[128];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct log_field field = {.name = "N", .text = rows[i].text};
        encode(LOG_JOURNAL, "", &field, 1);
        snprintf(expected, sizeof(expected), "N=%s", rows[i].shown);
        const char *last = record.bytes + record.length - strlen(expected) - 1;
        cr_expect_str_eq(last, expected, "row %zu", i);
    }
}

static void random_text(struct random *random, char *text, size_t bytes)
{
    size_t length = random_below(random, bytes);

    for (size_t i = 0; i < length; i++) {
        static const char often[] = "\"\\\n\r=\x1b\x7f{}:,\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80";
        text[i] = random_permille(random, 500) ? often[random_below(random, sizeof(often) - 1)]
                                               : (char)random_between(random, 1, 255);
    }
    text[length] = '\0';
}

/* A parser takes each as one object on one line, with exactly the members that it is to have. */
static void expect_json(const char *message, const struct log_field *random_fields)
{
    json_error_t error;

    encode(LOG_JSON, message, random_fields, 2);
    cr_assert_eq(record.bytes[record.length - 1], '\n');
    cr_assert_null(memchr(record.bytes, '\n', record.length - 1));
    json_t *json = json_loadb(record.bytes, record.length, JSON_REJECT_DUPLICATES, &error);
    cr_assert(json, "%s: %.*s", error.text, (int)record.length, record.bytes);
    cr_assert_eq(json_object_size(json), 6U);
    cr_assert_eq(json_integer_value(json_object_get(json, "priority")), LOG_WARNING);
    const char *route = json_string_value(json_object_get(json, "route"));
    cr_assert(route && json_string_value(json_object_get(json, "message")));
    cr_assert_leq(strlen(route), strlen(random_fields[0].text));
    for (const char *c = route; *c; c++)
        cr_assert((unsigned char)*c >= ' ' && *c != 0x7f);
    cr_assert_eq((uint64_t)json_integer_value(json_object_get(json, "session")),
                 random_fields[1].number);
    json_decref(json);
}

/* As many fields as there are to be, each of its own name, and no line end in one. */
static void expect_journal(const char *message, const struct log_field *random_fields)
{
    static const char *const names[] = {
        "MESSAGE=", "PRIORITY=", "SYSLOG_IDENTIFIER=", "MESSAGE_ID=", "ROUTE=", "SESSION="};
    size_t at = 0, count = 0;

    encode(LOG_JOURNAL, message, random_fields, 2);
    for (; at < record.length; at += strlen(record.bytes + at) + 1) {
        cr_assert_lt(count, 6U);
        cr_assert_eq(strncmp(record.bytes + at, names[count], strlen(names[count])), 0);
        for (const char *c = record.bytes + at; *c; c++)
            cr_assert((unsigned char)*c >= ' ' && *c != 0x7f);
        count++;
    }
    cr_assert_eq(at, record.length);
    cr_assert_eq(count, 6U);
}

Test(log_record, random_names_make_no_fields)
{
    struct random random = {.state = 4711};

    for (unsigned round = 0; round < ROUNDS; round++) {
        char message[300], route[200];
        random_text(&random, message, sizeof(message));
        random_text(&random, route, sizeof(route));
        const struct log_field random_fields[] = {
            {.name = "ROUTE", .text = route},
            {.name = "SESSION", .number = random_next(&random) >> 1},
        };
        expect_json(message, random_fields);
        expect_journal(message, random_fields);
        encode(LOG_TEXT, message, random_fields, 2);
        cr_assert_eq(record.length, strlen(message) + 1);
        cr_assert_eq((char *)memchr(record.bytes, '\n', record.length),
                     record.bytes + record.length - 1);
    }
}

/* Of the message what a line has room for; of the fields those that fit, whole. */
Test(log_record, too_long)
{
    static char message[LOG_LINE_BYTES + 10], text[LOG_RECORD_BYTES];
    struct log_field many[4] = {{.name = "A", .text = text}, {.name = "B", .number = 1}};
    json_error_t error;

    memset(message, '"', sizeof(message) - 1);
    encode(LOG_TEXT, message, NULL, 0);
    cr_assert_eq(record.length, LOG_LINE_BYTES - 1U);
    for (size_t length = 1; length < sizeof(text); length += 97) {
        memset(text, '\\', length);
        text[length] = '\0';
        encode(LOG_JSON, message, many, 2);
        json_t *json = json_loadb(record.bytes, record.length, 0, &error);
        cr_assert(json, "%zu: %s", length, error.text);
        const char *a = json_string_value(json_object_get(json, "a"));
        cr_assert(!a || strlen(a) == length);
        cr_assert(a || length > 1000);
        cr_assert_eq(json_integer_value(json_object_get(json, "b")), 1);
        json_decref(json);
    }
}
