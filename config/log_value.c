/* What is logged, and how: `log-format`, `log-rate`, `access-log`. */
#include "config/value.h"

#define RATE_MAX 1000000

const char *const config_log_format_names[CONFIG_LOG_COUNT] = {
    [CONFIG_LOG_AUTO] = "auto",
    [CONFIG_LOG_JOURNAL] = "journal",
    [CONFIG_LOG_TEXT] = "text",
    [CONFIG_LOG_JSON] = "json",
};

void log_format_set(struct draft *draft, const char *value)
{
    size_t word = value_word_read(draft, value, config_log_format_names, CONFIG_LOG_COUNT);

    if (word < CONFIG_LOG_COUNT)
        draft->config->log_format = (enum config_log_format)word;
}

void log_rate_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, RATE_MAX, &draft->config->log_rate);
}

static void access_log_read(struct draft *draft, const char *value, bool *ret)
{
    static const char *const words[] = {"no", "yes"};
    size_t word = value_word_read(draft, value, words, 2);

    if (word < 2)
        *ret = word == 1;
}

void global_access_log_set(struct draft *draft, const char *value)
{
    access_log_read(draft, value, &draft->access_log);
}

void access_log_set(struct draft *draft, const char *value)
{
    access_log_read(draft, value, &draft_route(draft)->access_log);
}
