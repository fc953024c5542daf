/* Section headers: [global], [guest NAME], [route NAME]. */
#include "config/draft.h"
#include "config/name.h"

#include <string.h>

static const struct {
    const char *word;
    const char *form;
} kinds[] = {
    [SECTION_GLOBAL] = {"global", "[global]"},
    [SECTION_GUEST] = {"guest", "[guest NAME]"},
    [SECTION_ROUTE] = {"route", "[route NAME]"},
};

static enum section_kind word_find(const char *word)
{
    size_t kind = 0;

    while (kind < SECTION_KIND_COUNT && strcmp(kinds[kind].word, word) != 0)
        kind++;
    return (enum section_kind)kind;
}

/* Returns the kind that was probably meant, by which the section is then read; SECTION_KIND_COUNT:
 * none. */
static enum section_kind word_refuse(struct draft *draft, const char *word)
{
    struct name_search search;

    name_search_init(&search, word);
    for (size_t i = 0; i < SECTION_KIND_COUNT; i++)
        name_search_offer(&search, kinds[i].word);
    if (search.best)
        draft_problem(draft, &draft->place, "unknown section '%s'; did you mean '%s'?", word,
                      search.best);
    else
        draft_problem(draft, &draft->place, "unknown section '%s'; the sections are %s, %s and %s",
                      word, kinds[SECTION_GLOBAL].form, kinds[SECTION_GUEST].form,
                      kinds[SECTION_ROUTE].form);
    return search.best ? word_find(search.best) : SECTION_KIND_COUNT;
}

static void name_check(struct draft *draft, enum section_kind kind, const char *name)
{
    if (kind == SECTION_GLOBAL) {
        if (*name)
            draft_problem(draft, &draft->place, "[global] takes no name; remove '%s'", name);
        return;
    }
    if (!*name)
        draft_problem(draft, &draft->place, "[%s] has no name; write %s", kinds[kind].word,
                      kinds[kind].form);
    else if (!(kind == SECTION_GUEST && strcmp(name, GUEST_EACH) == 0) &&
             !name_valid(name, strlen(name)))
        draft_problem(draft, &draft->place, "'%s' is no name of a %s; one has %s", name,
                      kinds[kind].word, NAME_FORM);
}

static bool is_same(const struct draft *draft, const struct section *section,
                    enum section_kind kind, const char *name)
{
    if (section->kind != kind)
        return false;
    switch (kind) {
    case SECTION_GUEST: return strcmp(draft->config->guests[section->index].name, name) == 0;
    case SECTION_ROUTE: return strcmp(draft->config->routes[section->index].name, name) == 0;
    default: return section->place.file == draft->place.file; /* may come again in a drop-in */
    }
}

/* The section of that kind and name read before; NULL: none. */
static const struct section *section_find(const struct draft *draft, enum section_kind kind,
                                          const char *name)
{
    if (kind != SECTION_GLOBAL && !*name)
        return NULL;
    for (size_t i = 0; i < draft->section_count; i++) {
        if (is_same(draft, &draft->sections[i], kind, name))
            return &draft->sections[i];
    }
    return NULL;
}

/* Returns whether there is one. */
static bool duplicate_check(struct draft *draft, enum section_kind kind, const char *name)
{
    const struct section *first = section_find(draft, kind, name);
    char place[PLACE_TEXT_BYTES];

    if (!first)
        return false;
    place_format(&first->place, place);
    if (kind == SECTION_GLOBAL)
        draft_problem(draft, &draft->place,
                      "[global] stands twice in this file, first at %s; make one of the two",
                      place);
    else
        draft_problem(draft, &draft->place,
                      "%s '%s' is already defined at %s; give this one another name",
                      kinds[kind].word, name, place);
    return true;
}

/* Adds what the section describes. False: out of memory. */
static bool subject_add(struct draft *draft, struct section *section, const char *name)
{
    switch (section->kind) {
    case SECTION_GUEST:
        section->index = draft->config->guest_count;
        return draft_guest_add(draft, name) != NULL;
    case SECTION_ROUTE:
        section->index = draft->config->route_count;
        return draft_route_add(draft, name) != NULL;
    default: return true;
    }
}

void section_begin(struct draft *draft, const char *header, unsigned line)
{
    char word[16] = "";
    size_t length = header ? strcspn(header, " \t") : 0;
    const char *name = header ? header + length + strspn(header + length, " \t") : NULL;

    draft->place.line = line;
    draft->current = NULL;
    draft->skipping = true;
    if (!header)
        return;

    snprintf(word, sizeof(word), "%.*s", (int)length, header);
    enum section_kind kind = length < sizeof(word) ? word_find(word) : SECTION_KIND_COUNT;
    if (kind == SECTION_KIND_COUNT)
        kind = word_refuse(draft, length < sizeof(word) ? word : header);
    if (kind == SECTION_KIND_COUNT)
        return;
    if (draft->routes_only && kind != SECTION_ROUTE) {
        draft_problem(draft, &draft->place,
                      "only [route NAME] sections can be added at run time; write [%s] into the "
                      "configuration file and reload it",
                      header);
        return;
    }
    name_check(draft, kind, name);
    bool duplicate = duplicate_check(draft, kind, name);
    struct section *section = draft_section_add(draft, kind, &draft->place);
    if (!section)
        return;
    if (!subject_add(draft, section, name)) {
        draft->section_count--;
        return;
    }
    section->duplicate = duplicate;
    draft->current = section;
    draft->skipping = false;
}
