package rowfile

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// members are the parts of a row's body that are no columns themselves; their content
// gets columns of its own.
type members struct {
	Names map[string]string `json:"names" parquet:"-"`
	Row   struct {
		ID       string `json:"id"`
		Ordinal  int64  `json:"ordinal"`
		File     string `json:"file"`
		Revision int64  `json:"revision"`
	} `json:"row" parquet:"-"`
}

// layout is a record of a kind: a struct that a row's body decodes into, and whose
// fields are the columns of the file.
type layout struct {
	record reflect.Type
	names  map[string]int // field of <column>_name, by column
	row    map[string]int // fields that the writer fills, by column
}

// layoutOf makes the record of a kind. Fields have numbers for names, because those of
// the platform's columns are no Go identifiers.
func layoutOf(k schemas.Kind) (l layout, err error) {
	columns := rows.Columns(k)
	if columns == nil {
		return l, fmt.Errorf("kind %s has no columns", k)
	}
	l.names, l.row = map[string]int{}, map[string]int{}
	fields := []reflect.StructField{{Name: "Members", Type: reflect.TypeFor[members](), Tag: `parquet:"-"`, Anonymous: true}}
	add := func(typ reflect.Type, name, json, options string) int {
		fields = append(fields, reflect.StructField{
			Name: "F" + strconv.Itoa(len(fields)), Type: typ,
			Tag: reflect.StructTag(fmt.Sprintf(`json:%q parquet:%q`, json, name+options)),
		})
		return len(fields) - 1
	}
	for _, name := range []string{"tenant", "kind", "window"} {
		add(reflect.TypeFor[string](), name, name, ",dict")
	}
	for _, c := range columns {
		typ, options := typeOf(c.Type)
		add(typ, c.Name, c.Name, options)
		if c.Named() {
			name := c.Name + "_name"
			l.names[c.Name] = add(reflect.TypeFor[*string](), name, "-", ",optional,dict")
		}
	}
	for _, s := range rows.Spans(k) {
		add(reflect.TypeFor[*int64](), s.Name, s.Name, ",optional")
	}
	add(reflect.TypeFor[map[string]string](), "unparsed", "unparsed", "")
	add(reflect.TypeFor[map[string]string](), "extra", "extra", "")
	add(reflect.TypeFor[[]string](), "ambiguous", "ambiguous", ",list")
	for _, name := range []string{"row_id", "row_key", "row_file", "row_extract"} {
		l.row[name] = add(reflect.TypeFor[string](), name, "-", "")
	}
	for _, name := range []string{"row_ordinal", "row_revision"} {
		l.row[name] = add(reflect.TypeFor[int64](), name, "-", "")
	}
	l.record = reflect.StructOf(fields)
	return l, nil
}

// typeOf is the Go type of a column's cells and the options of its Parquet type. All
// are pointers: any cell may be empty.
func typeOf(t rows.ColumnType) (reflect.Type, string) {
	switch t {
	case rows.Integer:
		return reflect.TypeFor[*int64](), ",optional"
	case rows.Time, rows.TimeUTC:
		return reflect.TypeFor[*time.Time](), ",optional,timestamp(microsecond)"
	}
	return reflect.TypeFor[*string](), ",optional"
}
