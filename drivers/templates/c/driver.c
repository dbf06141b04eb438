/* A driver in C, for a provider that is made up. It answers in lines, `ID STATE NAME`, and the last one is `end`:
 *
 *     GET /v1/servers        srv-1 running web        GET /v1/zones        north-1 up North 1
 *                            end                                           end
 *
 * gen/driver.h is made from the contract by wit-bindgen. What is given back is freed by what it makes, so everything
 * in it is allocated; the rest goes with the sandbox, at the end of the poll. */

#include <stdlib.h>
#include <string.h>

#include "gen/driver.h"

#define ENDPOINT "https://api.c-cloud.example"

static void *room_for(size_t count, size_t size)
{
    void *room = calloc(count ? count : 1, size);
    if (!room)
        abort();
    return room;
}

/* A text of the contract's own, allocated. */
static driver_string_t text(const char *words)
{
    driver_string_t copy;
    driver_string_dup(&copy, words);
    return copy;
}

static driver_option_string_t some(const char *words)
{
    return (driver_option_string_t){ .is_some = true, .val = text(words) };
}

static char *joined(const char *first, const char *second)
{
    char *both = room_for(strlen(first) + strlen(second) + 1, 1);
    return strcat(strcpy(both, first), second);
}

/* The contract's error; all of them but `throttled` have a message in the same place. */
static void *fail(exports_inv_error_t *err, uint8_t tag, const char *path, const char *why)
{
    driver_string_t message = text(joined(joined("GET ", path), why));
    err->tag = tag;
    if (tag == EXPORTS_INV_ERROR_THROTTLED)
        err->val.throttled.message = message;
    else
        err->val.unavailable = message;
    return NULL;
}

/* `Retry-After` in seconds, where the provider gave it so. */
static driver_option_u32_t retry_after(http_borrow_incoming_response_t response)
{
    driver_option_u32_t seconds = { 0 };
    driver_string_t name = text("retry-after");
    http_list_field_value_t values;
    http_own_headers_t headers = http_method_incoming_response_headers(response);
    http_method_fields_get(http_borrow_fields(headers), &name, &values);
    if (values.len && values.ptr[0].len && values.ptr[0].len < 10) {
        seconds.is_some = true;
        for (size_t at = 0; at < values.ptr[0].len; at++) {
            uint8_t digit = values.ptr[0].ptr[at] - '0';
            if (digit > 9)
                return (driver_option_u32_t){ 0 };
            seconds.val = seconds.val * 10 + digit;
        }
    }
    http_fields_drop_own(headers);
    return seconds;
}

/* What a status means. Each is the provider's word: none of them is a list. */
static void *refused(http_borrow_incoming_response_t response, const char *path, exports_inv_error_t *err)
{
    switch (http_method_incoming_response_status(response)) {
    case 401:
        return fail(err, EXPORTS_INV_ERROR_UNAUTHORIZED, path, " answered 401");
    case 403:
        return fail(err, EXPORTS_INV_ERROR_FORBIDDEN, path, " answered 403");
    case 429:
        fail(err, EXPORTS_INV_ERROR_THROTTLED, path, " answered 429");
        err->val.throttled.retry_after = retry_after(response);
        return NULL;
    case 500 ... 599:
        return fail(err, EXPORTS_INV_ERROR_UNAVAILABLE, path, " answered with a fault of its own (5xx)");
    default:
        return fail(err, EXPORTS_INV_ERROR_UNEXPECTED_ANSWER, path, " answered with neither a list nor an error");
    }
}

/* The whole body, ended by a zero byte; NULL if it broke off. */
static char *read_all(http_borrow_incoming_response_t response)
{
    http_own_incoming_body_t body;
    http_own_input_stream_t stream;
    if (!http_method_incoming_response_consume(response, &body))
        return NULL;
    if (!http_method_incoming_body_stream(http_borrow_incoming_body(body), &stream))
        return NULL;
    char *whole = room_for(1, 1);
    size_t length = 0;
    wasi_io_streams_stream_error_t end;
    driver_list_u8_t piece;
    while (wasi_io_streams_method_input_stream_blocking_read(wasi_io_streams_borrow_input_stream(stream), 65536, &piece, &end)) {
        whole = realloc(whole, length + piece.len + 1);
        if (!whole)
            abort();
        memcpy(whole + length, piece.ptr, piece.len);
        length += piece.len;
        whole[length] = 0;
        driver_list_u8_free(&piece);
    }
    wasi_io_streams_input_stream_drop_own(stream);
    http_incoming_body_drop_own(body);
    return end.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED ? whole : NULL;
}

/* What the provider answers to a GET; NULL with the error set, if that is no list. */
static char *get(driver_string_t endpoint, const char *path, exports_inv_error_t *err)
{
    /* The token is put in by the host, on the way out. What stands here is a word that stands for it. */
    driver_string_t password = text("password"), token;
    tracker_driver_credentials_error_t unset;
    if (!tracker_driver_credentials_placeholder(&password, TRACKER_DRIVER_CREDENTIALS_ENCODING_RAW, &token, &unset))
        return fail(err, EXPORTS_INV_ERROR_INVALID_ACCOUNT, path, ": the account has no password");

    char *address = room_for(endpoint.len + 1, 1);
    memcpy(address, endpoint.ptr, endpoint.len);
    char *host = strstr(address, "://");
    if (!host)
        return fail(err, EXPORTS_INV_ERROR_INVALID_ACCOUNT, path, ": the endpoint has no scheme");
    host += 3;
    /* An endpoint may have a path, below which everything lies. */
    char *below = strchr(host, '/');
    char *whole_path = joined(below ? below : "", path);
    if (below)
        *below = 0;
    http_scheme_t scheme = { .tag = strncmp(address, "https:", 6) ? HTTP_SCHEME_HTTP : HTTP_SCHEME_HTTPS };

    http_own_fields_t headers = http_constructor_fields();
    char *bearer = room_for(token.len + 8, 1);
    memcpy(strcpy(bearer, "Bearer ") + 7, token.ptr, token.len);
    driver_string_t name = text("authorization"), value = text(bearer);
    http_field_value_t bytes = { .ptr = value.ptr, .len = value.len };
    http_header_error_t unfit;
    http_method_fields_append(http_borrow_fields(headers), &name, &bytes, &unfit);

    http_own_outgoing_request_t request = http_constructor_outgoing_request(headers);
    http_borrow_outgoing_request_t asked = http_borrow_outgoing_request(request);
    driver_string_t authority = text(host), where = text(whole_path);
    http_method_outgoing_request_set_scheme(asked, &scheme);
    http_method_outgoing_request_set_authority(asked, &authority);
    http_method_outgoing_request_set_path_with_query(asked, &where);

    wasi_http_outgoing_handler_own_future_incoming_response_t coming;
    wasi_http_outgoing_handler_error_code_t code;
    if (!wasi_http_outgoing_handler_handle(request, NULL, &coming, &code)) {
        bool denied = code.tag == HTTP_ERROR_CODE_HTTP_REQUEST_DENIED;
        return denied ? fail(err, EXPORTS_INV_ERROR_INVALID_ACCOUNT, path, ": the host does not allow it")
                      : fail(err, EXPORTS_INV_ERROR_UNAVAILABLE, path, ": it can't be sent");
    }
    http_own_pollable_t ready = http_method_future_incoming_response_subscribe(http_borrow_future_incoming_response(coming));
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
    wasi_io_poll_pollable_drop_own(ready);

    http_result_result_own_incoming_response_error_code_void_t came;
    if (!http_method_future_incoming_response_get(http_borrow_future_incoming_response(coming), &came) || came.is_err
        || came.val.ok.is_err)
        return fail(err, EXPORTS_INV_ERROR_UNAVAILABLE, path, ": no answer came");
    http_borrow_incoming_response_t response = http_borrow_incoming_response(came.val.ok.val.ok);
    if (http_method_incoming_response_status(response) != 200)
        return refused(response, path, err);
    char *body = read_all(response);
    http_incoming_response_drop_own(came.val.ok.val.ok);
    http_future_incoming_response_drop_own(coming);
    return body ? body : fail(err, EXPORTS_INV_ERROR_UNAVAILABLE, path, ": the answer broke off");
}

/* One line of an answer. */
struct entry {
    char *id, *state, *name;
};

/* The lines of an answer; NULL, with the error set, unless its last one is `end`: an answer that was cut off is no
 * list, for everything that it does not show would be taken as gone. */
static struct entry *entries(char *body, size_t *count, const char *path, exports_inv_error_t *err)
{
    size_t lines = 0;
    for (char *at = body; (at = strchr(at, '\n')); at++)
        lines++;
    struct entry *list = room_for(lines, sizeof *list);
    *count = 0;
    for (char *line = body, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        if (!strcmp(line, "end") && !end[1])
            return list;
        struct entry *one = &list[(*count)++];
        one->id = line;
        one->state = strchr(line, ' ');
        one->name = one->state ? strchr(one->state + 1, ' ') : NULL;
        if (!one->name || one->state == line)
            return fail(err, EXPORTS_INV_ERROR_UNEXPECTED_ANSWER, path, ": a line of the answer is not ID STATE NAME");
        *one->state++ = *one->name++ = 0;
    }
    return *count ? fail(err, EXPORTS_INV_ERROR_UNAVAILABLE, path, ": the answer broke off before its end")
                  : fail(err, EXPORTS_INV_ERROR_UNEXPECTED_ANSWER, path, ": the answer is no list");
}

/* A word that is not known here is `unknown`: never a guess, and never an error. */
static uint8_t state_of(const char *word)
{
    static const struct {
        const char *word;
        uint8_t state;
    } states[] = {
        { "creating", EXPORTS_INV_INSTANCE_STATE_PENDING },
        { "running", EXPORTS_INV_INSTANCE_STATE_RUNNING },
        { "stopped", EXPORTS_INV_INSTANCE_STATE_STOPPED },
        { "deleting", EXPORTS_INV_INSTANCE_STATE_SHUTTING_DOWN },
    };
    for (size_t at = 0; at < sizeof states / sizeof *states; at++)
        if (!strcmp(word, states[at].word))
            return states[at].state;
    return EXPORTS_INV_INSTANCE_STATE_UNKNOWN;
}

void exports_inv_describe(exports_inv_description_t *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->name = text("c-cloud");
    ret->title = text("C Cloud");
    ret->version = text("0.1.0");
    ret->providers.len = 1;
    ret->providers.ptr = room_for(1, sizeof *ret->providers.ptr);
    ret->providers.ptr[0] = (exports_inv_provider_t){ .name = text("main"), .endpoint = text(ENDPOINT) };
    ret->endpoints.len = 1;
    ret->endpoints.ptr = room_for(1, sizeof *ret->endpoints.ptr);
    ret->endpoints.ptr[0] = text(ENDPOINT);
    ret->requests_per_minute.is_some = false;
}

bool exports_inv_list_instances(exports_inv_account_t *account, exports_inv_query_t *query,
                                exports_inv_instance_page_t *ret, exports_inv_error_t *err)
{
    (void)query; /* The provider has no pages. */
    const char *path = "/v1/servers";
    memset(err, 0, sizeof *err);
    memset(ret, 0, sizeof *ret);
    char *body = get(account->endpoint, path, err);
    struct entry *list = body ? entries(body, &ret->items.len, path, err) : NULL;
    if (!list)
        return false;
    ret->items.ptr = room_for(ret->items.len, sizeof *ret->items.ptr);
    for (size_t at = 0; at < ret->items.len; at++) {
        exports_inv_instance_t *item = &ret->items.ptr[at];
        item->id = text(list[at].id);
        item->name = some(list[at].name);
        item->state = state_of(list[at].state);
        item->provider_state = text(list[at].state);
    }
    ret->coverage.tag = EXPORTS_INV_COVERAGE_COMPLETE;
    return true;
}

bool exports_inv_list_realms(exports_inv_account_t *account, exports_inv_query_t *query,
                             exports_inv_realm_page_t *ret, exports_inv_error_t *err)
{
    (void)query;
    const char *path = "/v1/zones";
    memset(err, 0, sizeof *err);
    memset(ret, 0, sizeof *ret);
    char *body = get(account->endpoint, path, err);
    struct entry *list = body ? entries(body, &ret->items.len, path, err) : NULL;
    if (!list)
        return false;
    ret->items.ptr = room_for(ret->items.len, sizeof *ret->items.ptr);
    for (size_t at = 0; at < ret->items.len; at++) {
        exports_inv_realm_t *item = &ret->items.ptr[at];
        item->id = text(list[at].id);
        item->name = text(list[at].name);
        item->state = strcmp(list[at].state, "up") ? EXPORTS_INV_REALM_STATE_UNAVAILABLE
                                                   : EXPORTS_INV_REALM_STATE_AVAILABLE;
    }
    ret->coverage.tag = EXPORTS_INV_COVERAGE_COMPLETE;
    return true;
}
