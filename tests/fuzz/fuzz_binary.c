/* tests/fuzz/fuzz_binary.c: any bytes as a COPY BINARY field of any type (byte 0): refused, or a value that can be written and read. */
#include "core/bytes.h"
#include "fuzz_values.h"

/* Whether the server is trusted with more than the encoding: labels may have been added since, modifiers and JSON it has checked itself. */
static bool trusted(const hr_type *type)
{
    const hr_type *element = type->kind == HR_ARRAY ? type->element : type;

    return element->kind == HR_ENUM || element->kind == HR_JSON || element->kind == HR_JSONB || element->max_chars >= 0 ||
           element->typmod >= 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hr_buffer text, field, again;
    const hr_type *type = fuzz_type(size > 0 ? data[0] : 0);
    const hr_type_ops *ops = hr_type_ops_of(type);
    size_t n = size > 0 ? size - 1 : 0;
    hr_column column;
    hr_error error;
    char *exact;
    int rc;

    if (!fuzz_has_binary(type))
        return 0;
    exact = fuzz_exact(data + (size > 0), n);
    FUZZ_REQUIRE(hr_column_init(&column, type, NULL) == HR_OK);
    FUZZ_REQUIRE(hr_column_append_null(&column, NULL) == HR_OK);
    hr_error_clear(&error);
    rc = ops->read_binary(type, (const uint8_t *)exact, (int32_t)n, &column, &error);
    free(exact);
    FUZZ_AGREE(rc == HR_OK || rc == HR_EDATA, "%s: %d", type->name, rc);
    FUZZ_REQUIRE(column.length == 1 + (rc == HR_OK) && column.null_count == 1);
    if (rc == HR_EDATA)
        FUZZ_REQUIRE(error.reason != HR_REASON_NONE && error.message[0] != '\0');
    if (rc == HR_OK) {
        text.size = field.size = again.size = 0;
        rc = ops->write_text(type, &column, 1, &text, &error);
        FUZZ_AGREE(rc == HR_OK || (rc == HR_EDATA && fuzz_is_jsonb(type)), "%s: %s", type->name, error.message);
        FUZZ_AGREE(hr_utf8_validate((const char *)text.data, text.size, NULL), "%s", type->name);
        FUZZ_REQUIRE(ops->write_binary(type, &column, 1, &field, &error) == HR_OK);
        FUZZ_REQUIRE(field.size >= 4 && hr_load_be32(field.data) == field.size - 4);
        FUZZ_AGREE(ops->read_binary(type, field.data + 4, (int32_t)field.size - 4, &column, &error) == HR_OK, "%s: %s", type->name,
                   error.message);
        FUZZ_REQUIRE(ops->write_binary(type, &column, 2, &again, &error) == HR_OK);
        FUZZ_AGREE(fuzz_same(&field, &again), "%s", type->name);
        again.size = 0;
        if (rc == HR_OK) {
            FUZZ_REQUIRE(ops->write_text(type, &column, 2, &again, &error) == HR_OK);
            FUZZ_AGREE(fuzz_same(&text, &again), "%s \"%.*s\" and \"%.*s\"", type->name, (int)text.size, (char *)text.data, (int)again.size,
                       (char *)again.data);
            if (trusted(type))
                goto done;
            /* what a server can send, its input can read, and so can we */
            rc = ops->parse(type, HR_TOKEN_TEXT, (const char *)text.data, text.size, &column, &error);
            FUZZ_AGREE(rc == HR_OK, "%s \"%.*s\": %s", type->name, (int)text.size, (char *)text.data, error.message);
            again.size = 0;
            FUZZ_REQUIRE(ops->write_text(type, &column, 3, &again, &error) == HR_OK);
            FUZZ_AGREE(fuzz_same(&text, &again), "%s \"%.*s\" and \"%.*s\"", type->name, (int)text.size, (char *)text.data, (int)again.size,
                       (char *)again.data);
        }
    }
done:
    hr_column_free(&column);
    return 0;
}
