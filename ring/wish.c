/* VSLUICE_RING. */
#include "ring/wish.h"

#include "ring/ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

static bool read_feature(struct wish *wish, const char *word, size_t length)
{
    static const char no[] = "no-";
    size_t no_length = strlen(no);

    if (length <= no_length || memcmp(word, no, no_length) != 0)
        return false;
    for (enum ring_feature feature = 0; feature < RING_FEATURES; feature++)
        if (is(word + no_length, length - no_length, ring_feature_name(feature))) {
            wish->without[feature] = true;
            return true;
        }
    return false;
}

static bool read_word(struct wish *wish, const char *word, size_t length)
{
    if (length == 0)
        return true;
    if (is(word, length, "epoll")) {
        wish->epoll = true;
    } else if (is(word, length, "io_uring")) {
        wish->uring = true;
    } else if (is(word, length, "minimal")) {
        for (enum ring_feature feature = 0; feature < RING_FEATURES; feature++)
            wish->without[feature] = true;
    } else {
        return read_feature(wish, word, length);
    }
    return true;
}

/* The first word that cannot be read; NULL: all can. */
static const char *read_words(struct wish *wish, const char *text, size_t *ret_length)
{
    *wish = (struct wish){0};
    for (const char *word = text; word;) {
        size_t length = strcspn(word, ",");
        if (!read_word(wish, word, length) || (wish->epoll && wish->uring)) {
            *ret_length = length;
            return word;
        }
        word = word[length] ? word + length + 1 : NULL;
    }
    return NULL;
}

int wish_read(struct wish *ret)
{
    size_t length;
    return read_words(ret, getenv("VSLUICE_RING"), &length) ? -EBADRQC : 0;
}

const char *ring_wish_mistake(void)
{
    static char text[320];
    struct wish wish;
    size_t length;
    const char *word = read_words(&wish, getenv("VSLUICE_RING"), &length);

    if (!word)
        return NULL;
    if (wish.epoll && wish.uring)
        return "VSLUICE_RING: epoll or io_uring, not both";
    int at = snprintf(text, sizeof(text), "VSLUICE_RING: %.*s: unknown: epoll, io_uring, minimal",
                      length < 60 ? (int)length : 60, word);
    for (enum ring_feature feature = 0; feature < RING_FEATURES; feature++)
        at += snprintf(text + at, sizeof(text) - (size_t)at, ", no-%s", ring_feature_name(feature));
    return text;
}
