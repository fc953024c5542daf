/* Reading a configuration from all its sources, in order, and freeing it. */
#include "config/config.h"

#include "config/defaults.h"
#include "config/draft.h"
#include "config/reader.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void on_section(void *user, const char *header, unsigned line)
{
    key_settle(user);
    section_begin(user, header, line);
}

static void on_assign(void *user, const struct reader_assignment *assignment)
{
    key_assign(user, assignment);
}

static void on_lost(void *user, bool continues)
{
    struct draft *draft = user;

    if (continues)
        draft->empty_list_line = 0;
    else
        key_settle(draft);
    if (draft->current)
        draft->current->lost = true;
}

static void on_end(void *user)
{
    struct draft *draft = user;

    key_settle(draft);
    draft->current = NULL;
    draft->skipping = false;
}

static const struct reader_events draft_events = {
    .section = on_section,
    .assign = on_assign,
    .lost = on_lost,
    .end = on_end,
};

/* What is read from here on stands there. Takes the name. false: out of memory. */
static bool file_begin(struct draft *draft, char *path)
{
    struct config *config = draft->config;
    char **files = array_grow(config->files, config->file_count, sizeof(*files));

    if (files)
        config->files = files;
    if (!files || !path) {
        draft->exhausted = true;
        free(path);
        return false;
    }
    files[config->file_count++] = path;
    draft->place = (struct place){.file = path};
    return true;
}

/* Room for the text of one more file; NULL: out of memory. */
static struct config_kept *kept_add(struct draft *draft)
{
    struct config *config = draft->config;
    struct config_kept *kept = array_grow(config->kept, config->kept_count, sizeof(*kept));

    if (!kept) {
        draft->exhausted = true;
        return NULL;
    }
    config->kept = kept;
    kept[config->kept_count] = (struct config_kept){0};
    return &kept[config->kept_count++];
}

/* Reads one file; takes its name. */
static void file_read(struct draft *draft, char *path, bool optional)
{
    struct config_kept *kept = file_begin(draft, path) ? kept_add(draft) : NULL;

    if (!kept)
        return;
    FILE *copy = open_memstream(&kept->text, &kept->bytes);
    if (copy)
        reader_read(path, optional, &draft_events, draft, draft->problems, copy);
    if (!copy || fclose(copy) != 0)
        draft->exhausted = true;
}

/* The same with what another config has read in it. */
static void file_read_again(struct draft *draft, const struct config *from, size_t index)
{
    const struct config_kept *was = &from->kept[index];
    char *path = strdup(from->files[index]);
    struct config_kept *kept = file_begin(draft, path) ? kept_add(draft) : NULL;

    if (!kept)
        return;
    kept->text = reallocarray(NULL, was->bytes + 1, 1);
    if (!kept->text) {
        draft->exhausted = true;
        return;
    }
    memcpy(kept->text, was->text, was->bytes);
    kept->bytes = was->bytes;
    reader_read_text(path, kept->text, kept->bytes, 1, &draft_events, draft, draft->problems);
}

static void text_read(struct draft *draft, const struct config_text *text)
{
    char *name = strdup(text->name);

    draft->routes_only = true;
    if (file_begin(draft, name))
        reader_read_text(name, text->text, text->bytes, text->line, &draft_events, draft,
                         draft->problems);
    draft->routes_only = false;
}

/* "*.conf", and no hidden file: those are what editors leave behind. */
static int is_drop_in(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return entry->d_name[0] != '.' && length > 5 &&
           strcmp(entry->d_name + length - 5, ".conf") == 0;
}

/* By bytes: the order must not depend on the locale. */
static int name_compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static char *path_join(const char *directory, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* Reads the *.conf of a directory in name order; takes its name. One that does not exist is no
 * mistake. */
static void directory_read(struct draft *draft, char *path)
{
    struct dirent **entries;
    int count = path ? scandir(path, &entries, is_drop_in, name_compare) : -1;

    if (count < 0) {
        if (!path || errno == ENOMEM)
            draft->exhausted = true;
        else if (errno != ENOENT)
            problems_add(draft->problems, path, 0, "cannot be read: %s", strerror(errno));
        free(path);
        return;
    }
    for (int i = 0; i < count; i++) {
        file_read(draft, path_join(path, entries[i]->d_name), false);
        free(entries[i]);
    }
    free(entries);
    free(path);
}

static char *directory_name(const char *path)
{
    char *name = NULL;

    return asprintf(&name, "%s.d", path) < 0 ? NULL : name;
}

static void sources_read(struct draft *draft, const struct config_sources *sources)
{
    for (size_t i = 0; sources->again && i < sources->again->kept_count; i++)
        file_read_again(draft, sources->again, i);
    if (sources->path && !sources->again) {
        file_read(draft, strdup(sources->path), sources->path_optional);
        directory_read(draft, directory_name(sources->path));
    }
    for (size_t i = 0; i < sources->text_count; i++)
        text_read(draft, &sources->texts[i]);
    for (size_t i = 0; i < sources->route_count; i++)
        argument_read(draft, sources->routes[i], (unsigned)i + 1);
}

struct config *config_read(const struct config_sources *sources, struct problems *problems)
{
    struct config *config = calloc(1, sizeof(*config));
    struct draft draft = {
        .config = config,
        .problems = problems,
        .connect_timeout_ns = DEFAULT_CONNECT_TIMEOUT_NS,
    };

    if (!config)
        return NULL;
    config->references = 1;
    config->drain_timeout_ns = DEFAULT_DRAIN_TIMEOUT_NS;
    config->log_rate = DEFAULT_LOG_RATE;
    config->user_uid = (uid_t)-1;
    config->user_gid = (gid_t)-1;
    config->sandbox = true;
    sources_read(&draft, sources);
    draft_check(&draft);
    problems_sort(problems, config->files, config->file_count);
    free(draft.sections);
    if (draft.exhausted) {
        config_free(config);
        return NULL;
    }
    return config;
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add(&config->references, 1);
    return config;
}

void config_free(struct config *config)
{
    if (!config || atomic_fetch_sub(&config->references, 1) > 1)
        return;
    for (size_t i = 0; i < config->guest_count; i++)
        free(config->guests[i].name);
    for (size_t i = 0; i < config->route_count + config->template_count; i++) {
        free(config->routes[i].name);
        free(config->routes[i].listens);
        free(config->routes[i].targets);
        free(config->routes[i].check.send.bytes);
        free(config->routes[i].check.expect.bytes);
        free(config->routes[i].ports);
        free(config->routes[i].allow.rules);
        free(config->routes[i].deny.rules);
    }
    for (size_t i = 0; i < config->file_count; i++)
        free(config->files[i]);
    for (size_t i = 0; i < config->kept_count; i++)
        free(config->kept[i].text);
    free(config->kept);
    free(config->guests);
    free(config->routes);
    free(config->files);
    free(config->admin_path);
    free(config->admin_listen);
    config_free(config->parent);
    free(config);
}
