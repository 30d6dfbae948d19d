package filestore

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestExampleShowsTheDefaults holds the settings file that users start from
// against what a zero value means.
func TestExampleShowsTheDefaults(t *testing.T) {
	data, err := os.ReadFile("../optionfile/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Section Options `yaml:"files"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	want, err := Options{AccessKey: "testak01", SecretKey: "-", Source: &book{}}.complete()
	if err != nil {
		t.Fatal(err)
	}
	shown, defaults := reflect.ValueOf(file.Section), reflect.ValueOf(want)
	for i := range shown.NumField() {
		f := shown.Type().Field(i)
		// bridge simulate has other values for some, and says so in the file.
		if !f.IsExported() || f.Tag.Get("yaml") == "-" || slices.Contains([]string{"SecretKey", "GenerationMax", "CreationsPerMinute", "RequiredHeaders"}, f.Name) {
			continue
		}
		// In print, where an empty list and none are the same.
		if a, b := fmt.Sprint(shown.Field(i)), fmt.Sprint(defaults.Field(i)); a != b {
			t.Errorf("%s is %v in the example, the default is %v", f.Name, a, b)
		}
	}
}
