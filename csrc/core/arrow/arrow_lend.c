/* csrc/core/arrow/arrow_lend.c: columns that an Arrow array lends to a batch, because they are laid out as a batch has them.
 *
 * Nothing is taken on trust that a copy would have checked: a column whose values do not all belong to its type is not lent, and the copy,
 * which is made instead, says what is wrong with it.
 */
#include "arrow_field.h"
#include "core/utf8.h"

/* Whether the field's buffers mean the same in a column of this type. */
static bool hr_arrow_same_layout(const hr_arrow_field *field, const hr_type *to)
{
    if (field->dictionary != NULL || field->item != NULL)
        return false;
    switch (field->code) {
    case HR_ARROW_BOOL: return to->kind == HR_BOOL;
    case HR_ARROW_INT16: return to->kind == HR_INT2;
    case HR_ARROW_INT32: return to->kind == HR_INT4;
    case HR_ARROW_INT64: return to->kind == HR_INT8;
    case HR_ARROW_FLOAT: return to->kind == HR_FLOAT4;
    case HR_ARROW_DOUBLE: return to->kind == HR_FLOAT8;
    case HR_ARROW_DECIMAL: return to->kind == HR_DECIMAL && field->width == 16 && to->scale == field->scale;
    case HR_ARROW_DATE_DAYS: return to->kind == HR_DATE;
    case HR_ARROW_TIME_64:
    case HR_ARROW_TIMESTAMP: return field->unit == HR_UNIT_US && hr_arrow_same_time(field, to);
    case HR_ARROW_FIXED_BYTES: return to->kind == HR_UUID && field->width == 16;
    case HR_ARROW_BYTES: return field->text ? to->kind == HR_TEXT : to->kind == HR_BYTEA;
    default: return false;
    }
}

/* How many of the rows [0, n) are null. */
static int64_t hr_arrow_count_nulls(const uint8_t *valid, int64_t n)
{
    int64_t set = 0, i = 0;

    for (; i + 64 <= n; i += 64) {
        uint64_t word;
        memcpy(&word, valid + i / 8, sizeof(word));
        set += __builtin_popcountll(word);
    }
    for (; i < n; i++)
        set += (valid[i >> 3] >> (i & 7)) & 1;
    return n - set;
}

/* Whether offsets and bytes are those of n texts or byte strings, the first of them at the very beginning. */
static bool hr_arrow_sound_bytes(const int32_t *offsets, const char *bytes, int64_t n, bool text)
{
    size_t size = (size_t)offsets[n];

    if (offsets[0] != 0 || offsets[n] < 0 || (size > 0 && bytes == NULL))
        return false;
    for (int64_t i = 0; i < n; i++)
        if (offsets[i + 1] < offsets[i])
            return false;
    if (!text || size == 0)
        return true;
    if (memchr(bytes, 0, size) != NULL || !hr_utf8_validate(bytes, size, NULL))
        return false;
    for (int64_t i = 1; i < n; i++) /* all together are UTF-8; each is when none begins within a character */
        if ((size_t)offsets[i] < size && ((uint8_t)bytes[offsets[i]] & 0xc0) == 0x80)
            return false;
    return true;
}

static bool hr_arrow_aligned(const void *block, size_t width)
{
    return (uintptr_t)block % (width > 8 ? 8 : width) == 0;
}

bool hr_arrow_lend_column(hr_arrow_field *field, const struct ArrowArray *array, int64_t from, int64_t n, bool not_null, hr_column *out)
{
    const hr_type_ops *ops = hr_type_ops_of(out->type);
    const int64_t first = array->offset + from;
    const uint8_t *valid = array->null_count != 0 ? array->buffers[0] : NULL;
    hr_column lent = {.type = out->type, .length = n, .capacity = n, .lent = true};
    size_t width = (size_t)ops->width;

    if (n == 0 || n >= INT32_MAX || !hr_arrow_same_layout(field, out->type))
        return false;
    if (valid != NULL) {
        if (first % 8 != 0)
            return false;
        valid += first / 8;
        lent.null_count = hr_arrow_count_nulls(valid, n);
        lent.validity = lent.null_count > 0 ? (uint8_t *)valid : NULL;
        if (lent.null_count > 0 && not_null)
            return false;
    }
    if (ops->storage == HR_STORE_BYTES) {
        lent.offsets = (int32_t *)array->buffers[1] + first;
        if (!hr_arrow_aligned(lent.offsets, sizeof(int32_t)) || !hr_arrow_sound_bytes(lent.offsets, array->buffers[2], n, field->text))
            return false;
        lent.bytes.size = lent.bytes.capacity = (size_t)lent.offsets[n];
        lent.bytes.data = lent.bytes.size > 0 ? (uint8_t *)array->buffers[2] : NULL;
    } else if (ops->storage == HR_STORE_BITS) {
        if (first % 8 != 0)
            return false;
        lent.values = (uint8_t *)array->buffers[1] + first / 8;
    } else {
        lent.values = (uint8_t *)array->buffers[1] + (size_t)first * width;
        if (!hr_arrow_aligned(lent.values, width) || !hr_arrow_values_fit(field, array, from, n, out->type))
            return false;
    }
    *out = lent;
    return true;
}

/* What hr_batch_free calls. */
static void hr_arrow_give_back(void *lender)
{
    struct ArrowArray *array = lender;

    array->release(array);
    hr_free(array);
}

int hr_arrow_adopt_batch(const struct ArrowSchema *schema, struct ArrowArray *in, hr_batch *batch, hr_error *error)
{
    struct ArrowArray *held;
    bool any = false;
    int rc;

    if (batch->length > 0 || batch->lender != NULL)
        return hr_arrow_import_batch(schema, in, batch, error);
    held = hr_malloc(sizeof(*held));
    if (held == NULL)
        return hr_error_nomem(error);
    rc = hr_arrow_import_rows(schema, in, batch, &any, error);
    if (rc != HR_OK || !any) {
        hr_free(held);
        return rc;
    }
    *held = *in;
    in->release = NULL; /* moved, as the interface has it */
    batch->lender = held;
    batch->give_back = hr_arrow_give_back;
    return HR_OK;
}
