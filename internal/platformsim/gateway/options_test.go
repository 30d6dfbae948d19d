package gateway

import (
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"

	"aiccbridge/internal/platformsim/truth"
)

// TestExampleShowsTheDefaults holds the settings file that users start from
// against what a zero value means.
func TestExampleShowsTheDefaults(t *testing.T) {
	data, err := os.ReadFile("../optionfile/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Section Options `yaml:"gateway"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	want, err := Options{Floor: &desk{}, Truth: truth.New()}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	shown, defaults := reflect.ValueOf(file.Section), reflect.ValueOf(want)
	for i := range shown.NumField() {
		f := shown.Type().Field(i)
		// bridge simulate has other values for some, and says so in the file.
		if !f.IsExported() || f.Tag.Get("yaml") == "-" || slices.Contains([]string{}, f.Name) {
			continue
		}
		if a, b := shown.Field(i).Interface(), defaults.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			t.Errorf("%s is %v in the example, the default is %v", f.Name, a, b)
		}
	}
}
