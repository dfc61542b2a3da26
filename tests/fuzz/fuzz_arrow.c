/* tests/fuzz/fuzz_arrow.c: tables by the Arrow C data interface: any schema, arrays of any values, and lengths, offsets and indices that a
 * careless producer gets wrong. Within the interface's contract: buffers are as long as the array that owns them says. */
#include "core/arrow/arrow.h"
#include "fuzz_values.h"

#define MOST_NODES 40
#define MOST_ROWS 12

typedef struct arrow_node {
    struct ArrowSchema schema, *schema_child, *schema_children[8];
    struct ArrowArray array, *array_child, *array_children[8];
    const void *buffers[5];
    char format[24], name[8];
    char metadata[64];
    int64_t sizes[2]; /* of the view buffers */
} arrow_node;

typedef struct arrow_table {
    arrow_node nodes[MOST_NODES];
    int count;
    void *blocks[MOST_NODES * 6];
    int block_count;
    fuzz_input in;
} arrow_table;

static void release_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    array->release = NULL;
}

static void *block(arrow_table *table, size_t n)
{
    void *made = calloc(1, n > 0 ? n : 1);

    FUZZ_REQUIRE(made != NULL && table->block_count < (int)(sizeof(table->blocks) / sizeof(table->blocks[0])));
    table->blocks[table->block_count++] = made;
    return made;
}

/* A block of n bytes that the input gives. */
static void *filled(arrow_table *table, size_t n)
{
    void *made = block(table, n);
    size_t have = n;
    const uint8_t *bytes = fuzz_bytes(&table->in, &have);

    if (have > 0)
        memcpy(made, bytes, have);
    return made;
}

static void put_pair(char **to, const char *key, const char *value)
{
    int32_t n = (int32_t)strlen(key), m = (int32_t)strlen(value);

    memcpy(*to, &n, 4);
    memcpy(*to + 4, key, (size_t)n);
    memcpy(*to + 4 + n, &m, 4);
    memcpy(*to + 8 + n, value, (size_t)m);
    *to += 8 + n + m;
}

static void put_metadata(arrow_table *table, arrow_node *node)
{
    unsigned which = fuzz_byte(&table->in);
    int32_t pairs = 1;
    char *at = node->metadata + 4;

    if (which < 128)
        return;
    memcpy(node->metadata, &pairs, 4);
    if (which < 150)
        put_pair(&at, "ARROW:extension:name", which & 1 ? "arrow.uuid" : "arrow.json");
    else
        put_pair(&at, "headrace.type", fuzz_type_names[which % FUZZ_TYPES]);
    node->schema.metadata = node->metadata;
}

/* Offsets of n elements, ascending but for what `hostile` breaks; returns the last. */
static int64_t put_offsets(arrow_table *table, arrow_node *node, int64_t n, bool large, bool hostile)
{
    uint8_t *offsets = block(table, (size_t)(n + 1) * 8);
    int64_t at = 0;

    for (int64_t i = 0; i <= n; i++) {
        int64_t value = at;
        int32_t small;
        if (hostile && i > 0 && (fuzz_byte(&table->in) & 7) == 7)
            value = (int64_t)(fuzz_byte(&table->in) % 4) - 2;
        value = value < at ? value : at;
        small = (int32_t)value;
        if (large)
            memcpy(offsets + i * 8, &value, 8);
        else
            memcpy(offsets + i * 4, &small, 4);
        at += i < n ? fuzz_byte(&table->in) % 9 : 0;
    }
    node->buffers[1] = offsets;
    return at;
}

/* Views of n elements: short ones, and long ones into one buffer of 64 bytes. */
static void put_views(arrow_table *table, arrow_node *node, int64_t n, bool hostile)
{
    uint8_t *views = block(table, (size_t)n * 16);

    for (int64_t i = 0; i < n; i++) {
        int32_t size = (int32_t)(fuzz_byte(&table->in) % 30), index = 0, offset = (int32_t)(fuzz_byte(&table->in) % 34);
        memcpy(views + i * 16, &size, 4);
        if (size <= 12) {
            size_t have = 12;
            const uint8_t *bytes = fuzz_bytes(&table->in, &have);
            memcpy(views + i * 16 + 4, bytes, have);
            continue;
        }
        if (hostile && (fuzz_byte(&table->in) & 3) == 3)
            index = (int32_t)fuzz_number(&table->in, 4);
        if (hostile && index == 0 && (fuzz_byte(&table->in) & 3) == 3)
            offset = (int32_t)fuzz_number(&table->in, 4);
        memcpy(views + i * 16 + 8, &index, 4);
        memcpy(views + i * 16 + 12, &offset, 4);
    }
    node->buffers[1] = views;
    node->buffers[2] = filled(table, 64);
    node->sizes[0] = 64;
    node->buffers[3] = node->sizes;
    node->array.n_buffers = 4;
}

static const struct {
    const char *format;
    int width; /* bytes a value; 0: bits; -1: none; others below */
} plain[] = {
    {"n", -1},   {"b", 0},    {"c", 1},   {"C", 1},   {"s", 2},    {"S", 2},   {"i", 4},   {"I", 4},       {"l", 8},    {"L", 8},
    {"f", 4},    {"g", 8},    {"tdD", 4}, {"tdm", 8}, {"tts", 4},  {"ttm", 4}, {"ttu", 8}, {"ttn", 8},     {"tss:", 8}, {"tsm:UTC", 8},
    {"tsu:", 8}, {"tsn:", 8}, {"tiM", 4}, {"tiD", 8}, {"tin", 16}, {"tDs", 8}, {"tDn", 8}, {"tsu:UTC", 8}, {"e", 2},    {"+s", -1},
};
enum { BYTES = 30, LARGE_BYTES, VIEWS, FIXED, DECIMAL, LIST, LARGE_LIST, FIXED_LIST, DICTIONARY, RAW, KINDS };

static arrow_node *put_node(arrow_table *table, int64_t length, int depth, unsigned hostile);

static int64_t put_values(arrow_table *table, arrow_node *node, unsigned kind, int64_t n, int depth, unsigned hostile)
{
    static const int bits[] = {32, 64, 128, 256};
    bool text = fuzz_byte(&table->in) & 1;
    int width = 0;

    switch (kind) {
    case BYTES:
    case LARGE_BYTES:
        snprintf(node->format, sizeof(node->format), "%s", kind == BYTES ? (text ? "u" : "z") : (text ? "U" : "Z"));
        node->buffers[2] = filled(table, (size_t)put_offsets(table, node, n, kind == LARGE_BYTES, hostile & 1));
        return 3;
    case VIEWS:
        snprintf(node->format, sizeof(node->format), "v%c", text ? 'u' : 'z');
        put_views(table, node, n, hostile & 1);
        return 4;
    case FIXED:
        width = text ? 16 : (int)(fuzz_byte(&table->in) % 20);
        snprintf(node->format, sizeof(node->format), "w:%d", width);
        break;
    case DECIMAL:
        width = bits[fuzz_byte(&table->in) % 4] / 8;
        snprintf(node->format, sizeof(node->format), "d:%d,%d,%d", (int)(fuzz_byte(&table->in) % 80),
                 (int)(fuzz_byte(&table->in) % 90) - 20, width * 8);
        break;
    case LIST:
    case LARGE_LIST:
    case FIXED_LIST: {
        int64_t below;
        if (kind == FIXED_LIST) {
            width = (int)(fuzz_byte(&table->in) % 5);
            snprintf(node->format, sizeof(node->format), "+w:%d", width);
            below = width * n;
        } else {
            snprintf(node->format, sizeof(node->format), "+%c", kind == LIST ? 'l' : 'L');
            below = put_offsets(table, node, n, kind == LARGE_LIST, hostile & 1);
        }
        arrow_node *child = depth < 3 ? put_node(table, below, depth + 1, hostile) : NULL;
        if (child != NULL) {
            node->schema.n_children = node->array.n_children = 1;
            node->schema_children[0] = &child->schema;
            node->array_children[0] = &child->array;
            node->schema.children = node->schema_children;
            node->array.children = node->array_children;
        }
        return kind == FIXED_LIST ? 1 : 2;
    }
    case DICTIONARY: {
        unsigned index = 2 + fuzz_byte(&table->in) % 8;
        arrow_node *values = depth < 3 ? put_node(table, 1 + fuzz_byte(&table->in) % 5, depth + 1, hostile) : NULL;
        snprintf(node->format, sizeof(node->format), "%s", plain[index].format);
        width = plain[index].width;
        if (values != NULL) {
            node->schema.dictionary = &values->schema;
            node->array.dictionary = &values->array;
        }
        break;
    }
    default:
        snprintf(node->format, sizeof(node->format), "%s", plain[kind % BYTES].format);
        width = plain[kind % BYTES].width;
        if (width < 0)
            return 0;
        node->buffers[1] = filled(table, width == 0 ? (size_t)(n + 7) / 8 : (size_t)width * (size_t)n);
        return 2;
    }
    node->buffers[1] = filled(table, (size_t)width * (size_t)n);
    return 2;
}

/* An array of `length` rows and its schema; NULL when there are too many. Bits of `hostile`: offsets and indices, lengths, schemas. */
static arrow_node *put_node(arrow_table *table, int64_t length, int depth, unsigned hostile)
{
    arrow_node *node = &table->nodes[table->count];
    unsigned kind, flags = fuzz_byte(&table->in);

    if (table->count == MOST_NODES)
        return NULL;
    table->count++;
    memset(node, 0, sizeof(*node));
    node->array.offset = flags & 7;
    node->array.length = length;
    node->schema.flags = flags & 8 ? 0 : ARROW_FLAG_NULLABLE;
    node->schema.format = node->format;
    node->schema.name = node->name;
    node->schema.release = release_schema;
    node->array.release = release_array;
    node->array.buffers = node->buffers;
    snprintf(node->name, sizeof(node->name), "c%d", table->count);
    put_metadata(table, node);
    if (flags & 16)
        node->buffers[0] = filled(table, (size_t)(node->array.offset + length + 7) / 8);
    node->array.null_count = flags & 16 ? -1 : 0;
    kind = fuzz_byte(&table->in) % KINDS;
    node->array.n_buffers = put_values(table, node, kind, node->array.offset + length, depth, hostile);
    if (kind == RAW && (hostile & 4)) { /* whatever the format: only the schema is looked at then */
        size_t n = fuzz_byte(&table->in) % (sizeof(node->format) - 1);
        const uint8_t *bytes = fuzz_bytes(&table->in, &n);
        memcpy(node->format, bytes, n);
        node->format[n] = '\0';
    }
    if ((hostile & 2) && flags >= 192) {
        static const int64_t lengths[] = {-1, INT64_MIN, 0, 1};
        if (flags & 32)
            node->array.length = lengths[fuzz_byte(&table->in) % 4];
        else
            node->array.offset = -(int64_t)(fuzz_byte(&table->in)) - 1;
    }
    return node;
}

static void same_rows(const hr_batch *a, const hr_batch *b)
{
    static hr_buffer one, two;
    hr_error error;

    FUZZ_REQUIRE(a->length == b->length && a->schema->count == b->schema->count);
    for (int32_t i = 0; i < a->schema->count; i++) {
        for (int64_t row = 0; row < a->length; row++) {
            const hr_column *x = &a->columns[i], *y = &b->columns[i];
            FUZZ_REQUIRE(hr_column_is_null(x, row) == hr_column_is_null(y, row));
            if (hr_column_is_null(x, row))
                continue;
            one.size = two.size = 0;
            if (hr_type_ops_of(x->type)->write_text(x->type, x, row, &one, &error) != HR_OK) {
                FUZZ_REQUIRE(fuzz_is_jsonb(x->type));
                continue;
            }
            FUZZ_REQUIRE(hr_utf8_validate((const char *)one.data, one.size, NULL));
            FUZZ_REQUIRE(hr_type_ops_of(y->type)->write_text(y->type, y, row, &two, &error) == HR_OK);
            FUZZ_AGREE(fuzz_same(&one, &two), "%s: \"%.*s\" and \"%.*s\"", x->type->name, (int)one.size, (char *)one.data, (int)two.size,
                       (char *)two.data);
        }
    }
}

/* Out by our own hand and in again. */
static void there_and_back(const hr_batch *batch)
{
    struct ArrowSchema schema;
    struct ArrowArray array;
    hr_schema *read;
    hr_batch *back;
    hr_error error;

    FUZZ_REQUIRE(hr_arrow_export_schema(batch->schema, &schema, &error) == HR_OK);
    if (hr_arrow_export_batch(batch, NULL, NULL, &array, &error) == HR_OK) { /* not when Arrow cannot say a value */
        FUZZ_AGREE(hr_arrow_import_schema(&schema, &read, &error) == HR_OK, "%s", error.message);
        FUZZ_REQUIRE(hr_batch_new(read, &back, NULL) == HR_OK);
        FUZZ_AGREE(hr_arrow_import_batch(&schema, &array, back, &error) == HR_OK, "%s", error.message);
        same_rows(batch, back);
        hr_batch_free(back);
        hr_schema_release(read);
        array.release(&array);
    }
    schema.release(&schema);
}

/* The same import without a copy where that can be: the same rows, or the same refusal (then `copy` is empty). */
static void same_when_lent(const arrow_node *root, const hr_batch *copy, int code)
{
    struct ArrowArray array = root->array;
    hr_batch *lent;
    hr_error error;

    FUZZ_REQUIRE(hr_batch_new(copy->schema, &lent, NULL) == HR_OK);
    FUZZ_REQUIRE(hr_arrow_adopt_batch(&root->schema, &array, lent, &error) == code);
    FUZZ_REQUIRE((array.release == NULL) == (lent->lender != NULL) && lent->length == copy->length);
    if (code == HR_OK) {
        same_rows(copy, lent);
        there_and_back(lent);
    }
    for (int32_t i = 0; i < lent->schema->count; i++)
        FUZZ_REQUIRE(lent->columns[i].length == lent->length && (lent->lender != NULL || !lent->columns[i].lent));
    hr_batch_free(lent);
}

/* Into columns of other types, which the input chooses. */
static void into_others(arrow_table *table, const arrow_node *root)
{
    hr_schema *schema;
    hr_batch *batch;
    hr_error error;
    int rc;

    FUZZ_REQUIRE(hr_schema_new(&schema, NULL) == HR_OK);
    for (int64_t i = 0; i < root->schema.n_children; i++) {
        hr_type type = *fuzz_type(fuzz_byte(&table->in));
        if (hr_schema_add(schema, root->schema.children[i]->name, &type, false, i % 2 == 1, NULL, &error) != HR_OK)
            break;
    }
    FUZZ_REQUIRE(hr_batch_new(schema, &batch, NULL) == HR_OK);
    rc = hr_arrow_import_batch(&root->schema, &root->array, batch, &error);
    FUZZ_REQUIRE(rc == HR_OK || rc == HR_EDATA || rc == HR_EUSAGE || rc == HR_ENOMEM);
    FUZZ_REQUIRE(batch->length == (rc == HR_OK ? root->array.length : 0));
    if (rc == HR_OK)
        same_rows(batch, batch);
    same_when_lent(root, batch, rc);
    hr_batch_free(batch);
    hr_schema_release(schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static arrow_table table;
    unsigned shape, columns, hostile;
    arrow_node *root = &table.nodes[0];
    hr_schema *schema;
    hr_batch *batch;
    hr_error error;
    int64_t rows, offset;
    int rc;

    table.in = (fuzz_input){data, data + size};
    table.count = 1;
    table.block_count = 0;
    shape = fuzz_byte(&table.in);
    hostile = shape >= 128 ? shape & 7 : 0;
    columns = 1 + shape / 8 % 4;
    rows = (int64_t)(fuzz_byte(&table.in) % MOST_ROWS);
    offset = (int64_t)(fuzz_byte(&table.in) % 4);
    memset(root, 0, sizeof(*root));
    snprintf(root->format, sizeof(root->format), "+s");
    root->schema = (struct ArrowSchema){.format = root->format, .children = root->schema_children, .release = release_schema};
    root->array = (struct ArrowArray){.length = rows,
                                      .offset = offset,
                                      .n_buffers = 1,
                                      .buffers = root->buffers,
                                      .children = root->array_children,
                                      .release = release_array};
    for (unsigned i = 0; i < columns; i++) {
        arrow_node *child = put_node(&table, rows + offset, 0, hostile);
        if (child == NULL)
            break;
        root->schema_children[i] = &child->schema;
        root->array_children[i] = &child->array;
        root->schema.n_children = root->array.n_children = i + 1;
    }
    if (shape & 32) {
        root->buffers[0] = filled(&table, (size_t)(rows + offset + 7) / 8);
        root->array.null_count = -1;
    }
    if ((hostile & 2) && fuzz_byte(&table.in) & 1) {
        static const int64_t lengths[] = {-1, INT64_MIN, INT64_MAX, INT64_MAX - 1};
        if (fuzz_byte(&table.in) & 1)
            root->array.length = lengths[fuzz_byte(&table.in) % 4];
        else
            root->array.offset = lengths[fuzz_byte(&table.in) % 4];
    }
    hr_error_clear(&error);
    rc = hr_arrow_import_schema(&root->schema, &schema, &error);
    FUZZ_REQUIRE(rc == HR_OK || (rc == HR_EUSAGE && error.message[0] != '\0'));
    if (rc == HR_OK && !(hostile & 4)) {
        FUZZ_REQUIRE(hr_batch_new(schema, &batch, NULL) == HR_OK);
        rc = hr_arrow_import_batch(&root->schema, &root->array, batch, &error);
        FUZZ_REQUIRE(rc == HR_OK || rc == HR_EDATA || rc == HR_EUSAGE || rc == HR_ENOMEM);
        FUZZ_REQUIRE(rc == HR_OK || (error.message[0] != '\0' && batch->length == 0));
        for (int32_t i = 0; i < schema->count; i++)
            FUZZ_REQUIRE(batch->columns[i].length == batch->length);
        if (rc == HR_OK) {
            FUZZ_REQUIRE(batch->length == root->array.length);
            there_and_back(batch);
        }
        same_when_lent(root, batch, rc);
        hr_batch_free(batch);
        into_others(&table, root);
    }
    if (schema != NULL)
        hr_schema_release(schema);
    for (int i = 0; i < table.block_count; i++)
        free(table.blocks[i]);
    return 0;
}
