/* tests/core/test_type_name.c: types by SQL name and by the catalog's numbers, which are those of format_type() and atttypmod. */
#include "type_check.h"

static void test_names(void)
{
    static const struct {
        const char *name;
        hr_kind kind;
        const char *canonical;
        int32_t typmod;
        int precision, scale, max_chars;
    } cases[] = {
        {"bool", HR_BOOL, "boolean", -1, 0, 0, -1},
        {"BOOLEAN", HR_BOOL, "boolean", -1, 0, 0, -1},
        {"smallint", HR_INT2, "smallint", -1, 0, 0, -1},
        {"int2", HR_INT2, "smallint", -1, 0, 0, -1},
        {"int", HR_INT4, "integer", -1, 0, 0, -1},
        {" Integer ", HR_INT4, "integer", -1, 0, 0, -1},
        {"pg_catalog.int8", HR_INT8, "bigint", -1, 0, 0, -1},
        {"real", HR_FLOAT4, "real", -1, 0, 0, -1},
        {"double   precision", HR_FLOAT8, "double precision", -1, 0, 0, -1},
        {"float", HR_FLOAT8, "double precision", -1, 0, 0, -1},
        {"float(24)", HR_FLOAT4, "real", -1, 0, 0, -1},
        {"float(25)", HR_FLOAT8, "double precision", -1, 0, 0, -1},
        {"numeric", HR_NUMERIC, "numeric", -1, 0, 0, -1},
        {"numeric(12,2)", HR_DECIMAL, "numeric(12,2)", 786438, 12, 2, -1},
        {"DECIMAL ( 12 , 2 )", HR_DECIMAL, "numeric(12,2)", 786438, 12, 2, -1},
        {"dec(5)", HR_DECIMAL, "numeric(5,0)", 327684, 5, 0, -1},
        {"numeric(38,38)", HR_DECIMAL, "numeric(38,38)", (38 << 16 | 38) + 4, 38, 38, -1},
        {"numeric(39,0)", HR_NUMERIC, "numeric(39,0)", (39 << 16) + 4, 39, 0, -1},
        {"numeric(3,-2)", HR_NUMERIC, "numeric(3,-2)", (3 << 16 | 2046) + 4, 3, -2, -1},
        {"numeric(2,4)", HR_NUMERIC, "numeric(2,4)", (2 << 16 | 4) + 4, 2, 4, -1},
        {"numeric(1000,-1000)", HR_NUMERIC, "numeric(1000,-1000)", (1000 << 16 | 1048) + 4, 1000, -1000, -1},
        {"text", HR_TEXT, "text", -1, 0, 0, -1},
        {"varchar", HR_VARCHAR, "character varying", -1, 0, 0, -1},
        {"varchar(40)", HR_VARCHAR, "character varying(40)", 44, 0, 0, 40},
        {"character varying (40)", HR_VARCHAR, "character varying(40)", 44, 0, 0, 40},
        {"pg_catalog.varchar(40)", HR_VARCHAR, "character varying(40)", 44, 0, 0, 40},
        {"pg_catalog.timestamp(3) with time zone", HR_TIMESTAMPTZ, "timestamp(3) with time zone", 3, 0, 3, -1},
        {"char", HR_BPCHAR, "character(1)", 5, 0, 0, 1},
        {"character(3)", HR_BPCHAR, "character(3)", 7, 0, 0, 3},
        {"bpchar", HR_BPCHAR, "bpchar", -1, 0, 0, -1},
        {"bpchar(3)", HR_BPCHAR, "character(3)", 7, 0, 0, 3},
        {"bytea", HR_BYTEA, "bytea", -1, 0, 0, -1},
        {"date", HR_DATE, "date", -1, 0, 0, -1},
        {"time", HR_TIME, "time without time zone", -1, 0, -1, -1},
        {"time(3)", HR_TIME, "time(3) without time zone", 3, 0, 3, -1},
        {"timestamp", HR_TIMESTAMP, "timestamp without time zone", -1, 0, -1, -1},
        {"timestamp(0) without time zone", HR_TIMESTAMP, "timestamp(0) without time zone", 0, 0, 0, -1},
        {"timestamptz", HR_TIMESTAMPTZ, "timestamp with time zone", -1, 0, -1, -1},
        {"timestamptz(3)", HR_TIMESTAMPTZ, "timestamp(3) with time zone", 3, 0, 3, -1},
        {"timestamp(9) with time zone", HR_TIMESTAMPTZ, "timestamp(6) with time zone", 6, 0, 6, -1},
        {"interval", HR_INTERVAL, "interval", -1, 0, -1, -1},
        {"interval(3)", HR_INTERVAL, "interval(3)", 0x7fff0003, 0, 3, -1},
        {"interval year to month", HR_INTERVAL, "interval year to month", 458751, 0, -1, -1},
        {"INTERVAL DAY TO SECOND (3)", HR_INTERVAL, "interval day to second(3)", 470286339, 0, 3, -1},
        {"interval hour", HR_INTERVAL, "interval hour", 67174399, 0, -1, -1},
        {"uuid", HR_UUID, "uuid", -1, 0, 0, -1},
        {"json", HR_JSON, "json", -1, 0, 0, -1},
        {"jsonb", HR_JSONB, "jsonb", -1, 0, 0, -1},
        {"inet", HR_OTHER, "inet", -1, 0, 0, -1},
        {"\"char\"", HR_OTHER, "\"char\"", -1, 0, 0, -1},
        {"\"integer\"", HR_OTHER, "\"integer\"", -1, 0, 0, -1},
        {"shop.status", HR_OTHER, "shop.status", -1, 0, 0, -1},
        {"\"odd [](\"\"name\".\"x\"", HR_OTHER, "\"odd [](\"\"name\".\"x\"", -1, 0, 0, -1},
        {"geometry(Point,4326)", HR_OTHER, "geometry(Point,4326)", -1, 0, 0, -1},
        {"bit varying(5)", HR_OTHER, "bit varying(5)", -1, 0, 0, -1},
        {"time with time zone", HR_OTHER, "time with time zone", -1, 0, 0, -1},
        {"interval month to year", HR_OTHER, "interval month to year", -1, 0, 0, -1},
        {"a_type_whose_name_is_far_longer_than_any_name_of_a_type_that_is_built_in", HR_OTHER,
         "a_type_whose_name_is_far_longer_than_any_name_of_a_type_that_is_built_in", -1, 0, 0, -1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        hr_type type = type_named(__LINE__, cases[i].name);
        CHECK(type.kind == cases[i].kind, "%s: kind %d", cases[i].name, (int)type.kind);
        CHECK(strcmp(type.name, cases[i].canonical) == 0, "%s: got %s", cases[i].name, type.name);
        CHECK(type.typmod == cases[i].typmod, "%s: typmod %d", cases[i].name, (int)type.typmod);
        CHECK(type.precision == cases[i].precision && type.scale == cases[i].scale && type.max_chars == cases[i].max_chars, "%s: %d %d %d",
              cases[i].name, type.precision, type.scale, (int)type.max_chars);
        CHECK(type.oid == hr_type_ops_of(&type)->oid && type.element == NULL, "%s", cases[i].name);
        /* its own name leads to the same type, and so do oid and typmod */
        hr_type again = type_named(__LINE__, type.name);
        CHECK(again.kind == type.kind && again.typmod == type.typmod && strcmp(again.name, type.name) == 0, "%s", type.name);
        if (type.kind != HR_OTHER) {
            hr_error error;
            CHECK(hr_type_from_oid(type.oid, type.typmod, NULL, &type_arena, &again, &error) == HR_OK);
            CHECK(again.kind == type.kind && again.precision == type.precision && again.scale == type.scale &&
                      again.max_chars == type.max_chars && again.typmod == type.typmod && strcmp(again.name, type.name) == 0,
                  "%s by oid: %s", type.name, again.name);
        }
    }
}

static void test_arrays(void)
{
    static const struct {
        const char *name;
        hr_kind element;
        const char *canonical;
        uint32_t oid;
    } cases[] = {
        {"text[]", HR_TEXT, "text[]", 1009},
        {"int[3]", HR_INT4, "integer[]", 1007},
        {"integer [ ] [2]", HR_INT4, "integer[]", 1007},
        {"integer ARRAY", HR_INT4, "integer[]", 1007},
        {"integer array[4]", HR_INT4, "integer[]", 1007},
        {"numeric(12,2)[]", HR_DECIMAL, "numeric(12,2)[]", 1231},
        {"numeric[]", HR_NUMERIC, "numeric[]", 1231},
        {"timestamp(3) with time zone[]", HR_TIMESTAMPTZ, "timestamp(3) with time zone[]", 1185},
        {"varchar(5)[]", HR_VARCHAR, "character varying(5)[]", 1015},
        {"interval day to second[]", HR_INTERVAL, "interval day to second[]", 1187},
        {"inet[]", HR_OTHER, "inet[]", 0},
        {"\"my type\"[]", HR_OTHER, "\"my type\"[]", 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        hr_type type = type_named(__LINE__, cases[i].name);
        CHECK(type.kind == HR_ARRAY && type.element != NULL && type.element->kind == cases[i].element, "%s", cases[i].name);
        CHECK(strcmp(type.name, cases[i].canonical) == 0, "%s: got %s", cases[i].name, type.name);
        CHECK(type.oid == cases[i].oid && type.delimiter == ',' && type.typmod == type.element->typmod, "%s: oid %u", cases[i].name,
              (unsigned)type.oid);
    }
    CHECK(type_named(__LINE__, "box[]").delimiter == ';');
}

static void test_refused(void)
{
    static const char *const bad[] = {
        "", " ", "[]", "numeric(0)", "numeric(1001)", "numeric(5,1001)", "numeric(5,-1001)", "numeric(-1)", "numeric(1,2,3)",
        "numeric()", "numeric(a)", "numeric(12", "numeric 12)", "numeric(5,)", "varchar(0)", "varchar(-1)", "varchar(1,2)",
        "varchar(10485761)", "char(0)", "integer(4)", "text(5)", "float(0)", "float(54)", "float8(3)", "timestamp(-1)", "time(1,2)",
        "interval year to month(3)", "text[", "text]", "text[a]", "[]text", "text[]x", "\"open", "x(((", "numeric(99999999999)",
        "character(40) varying", "time without time zone(3)", "interval(3) second", "(3)time",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        hr_type type;
        hr_error error;
        hr_error_clear(&error);
        CHECK(hr_type_from_name(bad[i], &type_arena, &type, &error) == HR_EUSAGE && error.message[0] != '\0', "\"%s\"", bad[i]);
    }
}

static void test_oids(void)
{
    hr_type type;
    hr_error error;

    CHECK(hr_type_from_oid(1007, -1, "integer[]", &type_arena, &type, &error) == HR_OK);
    CHECK(type.kind == HR_ARRAY && type.oid == 1007 && type.element->kind == HR_INT4 && type.element->oid == 23);
    CHECK(hr_type_from_oid(1231, 786438, NULL, &type_arena, &type, &error) == HR_OK);
    CHECK(type.kind == HR_ARRAY && type.element->kind == HR_DECIMAL && strcmp(type.name, "numeric(12,2)[]") == 0);
    CHECK(hr_type_from_oid(869, -1, "inet", &type_arena, &type, &error) == HR_OK);
    CHECK(type.kind == HR_OTHER && type.oid == 869 && strcmp(type.name, "inet") == 0);
    CHECK(hr_type_from_oid(123456, 7, "shop.status", &type_arena, &type, &error) == HR_OK);
    CHECK(type.kind == HR_OTHER && type.typmod == 7 && type.max_chars == -1);
    CHECK(hr_type_from_oid(0, -1, "nothing", &type_arena, &type, &error) == HR_OK && type.kind == HR_OTHER);
    CHECK(hr_type_from_oid(1043, 44, "shop.short_name", &type_arena, &type, &error) == HR_OK);
    CHECK(type.kind == HR_VARCHAR && type.max_chars == 40 && strcmp(type.name, "shop.short_name") == 0);
    /* the table is whole: every kind its own row */
    for (int kind = 0; kind < HR_KIND_COUNT; kind++)
        CHECK(hr_type_table[kind] != NULL && hr_type_table[kind]->kind == (hr_kind)kind && hr_type_table[kind]->name != NULL &&
                  hr_type_table[kind]->parse != NULL && hr_type_table[kind]->write_binary != NULL &&
                      hr_type_table[kind]->read_binary != NULL &&
                  hr_type_table[kind]->write_text != NULL &&
                  (hr_type_table[kind]->storage == HR_STORE_FIXED) == (hr_type_table[kind]->width > 0),
              "kind %d", kind);
}

static void test_faults(void)
{
    static const char *const names[] = {"numeric(12,2)", "text[]", "inet", "inet[]", "timestamp(3) with time zone[]"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        long n = 1;
        for (;; n++) {
            hr_arena arena;
            hr_type type;
            hr_error error;
            int rc;

            hr_arena_init(&arena, 32);
            hr_fault_arm(n, false);
            rc = hr_type_from_name(names[i], &arena, &type, &error);
            hr_fault_arm(0, false);
            hr_arena_free(&arena);
            if (rc == HR_OK)
                break;
            CHECK(rc == HR_ENOMEM, "%s, allocation %ld", names[i], n);
        }
        CHECK(n > 1, "%s", names[i]);
    }
    for (long n = 1;; n++) {
        hr_arena arena;
        hr_type type;
        hr_error error;
        int rc;

        hr_arena_init(&arena, 32);
        hr_fault_arm(n, false);
        rc = hr_type_from_oid(1231, 786438, "numeric(12,2)[]", &arena, &type, &error);
        hr_fault_arm(0, false);
        hr_arena_free(&arena);
        if (rc == HR_OK)
            break;
        CHECK(rc == HR_ENOMEM, "allocation %ld", n);
    }
}

int main(void)
{
    test_names();
    test_arrays();
    test_refused();
    test_oids();
    test_faults();
    return TYPE_DONE();
}
