// Package formattest holds what the bridge stores against what it stored before, for tests.
//
// Each stored format has golden files in testdata/formats of the package that writes it:
// <name>.1.golden, <name>.2.golden and so on, one for each form that it has had. The newest is
// what is written now; none is ever changed. So a format that changes turns its test red until
// somebody has looked whether older bridges can go on with it (docs/operations.md, "Upgrade and
// roll back"), and whatever an older one has left is read here.
//
// It imports nothing of ours.
package formattest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

var update = flag.Bool("update-formats", false, "add a golden file of each stored format that has changed")

// JSON holds the format of a type's JSON: T with something in every field is written as the
// newest golden file says, and what is in any of them is read and written again.
func JSON[T any](t *testing.T, name string) {
	t.Helper()
	var full T
	(&filling{at: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}).fill(reflect.ValueOf(&full).Elem(), "")
	now, err := json.MarshalIndent(full, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	Bytes(t, name, append(now, '\n'), func(text []byte) error {
		var read T
		if err := json.Unmarshal(text, &read); err != nil {
			return err
		}
		again, err := json.Marshal(read)
		if err != nil {
			return err
		}
		var was, is any
		_, _ = json.Unmarshal(text, &was), json.Unmarshal(again, &is) // both are JSON
		return lacks(was, is, "the whole")
	})
}

// Bytes holds any other format: now is what is written, and read gets each of the golden files.
func Bytes(t *testing.T, name string, now []byte, read func(text []byte) error) {
	t.Helper()
	var last []byte
	for n := 1; ; n++ {
		path := filepath.Join("testdata", "formats", fmt.Sprintf("%s.%d.golden", name, n))
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) && !bytes.Equal(last, now) && *update {
			if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
				err = os.WriteFile(path, now, 0o600)
			}
			text = now
		}
		if os.IsNotExist(err) {
			break
		}
		if err == nil {
			err = read(text)
		}
		if err != nil {
			t.Errorf("%s is what a bridge has stored, and can't be gone on with: %v", path, err)
		}
		last = text
	}
	if !bytes.Equal(last, now) {
		t.Errorf("the stored format %q has changed. If bridges of the version before can go on with what is written now, "+
			"and the table in docs/operations.md says how, run the test with -update-formats, which adds a golden file. It was\n%s\nand is\n%s", name, last, now)
	}
}

// lacks reports what a JSON value has and another has not, or otherwise.
func lacks(was, is any, where string) error {
	members, object := was.(map[string]any)
	if !object {
		if !reflect.DeepEqual(was, is) {
			return fmt.Errorf("%s was %v, and is read as %v", where, was, is)
		}
		return nil
	}
	now, _ := is.(map[string]any)
	for name, value := range members {
		if err := lacks(value, now[name], name); err != nil {
			return err
		}
	}
	return nil
}

// filling puts something into every field, times one after the other.
type filling struct{ at time.Time }

func (f *filling) fill(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			f.at = f.at.Add(time.Hour)
			v.Set(reflect.ValueOf(f.at))
			return
		}
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() || field.Anonymous {
				f.fill(v.Field(i), field.Name)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), name)
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte("{}"))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0), name)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, "key")
		f.fill(value, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(name)
	case reflect.Bool:
		v.SetBool(true)
	default:
		f.number(v)
	}
}

func (f *filling) number(v reflect.Value) {
	switch {
	case v.CanInt():
		v.SetInt(7)
	case v.CanUint():
		v.SetUint(7)
	case v.CanFloat():
		v.SetFloat(7.5)
	}
}
