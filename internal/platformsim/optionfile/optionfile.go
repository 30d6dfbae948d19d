// Package optionfile reads the settings file of the simulator, bridge simulate
// --settings: YAML, or JSON, which is YAML too. The file has every option of
// platformsim.Options that a real platform can differ in, under the names of the
// struct tags there; example.yaml has them all, with their defaults.
//
// Invariants: a key that is not known is an error which names it; what the file
// does not mention stays as it was; the file cannot set what connects the parts
// with each other (clock, truth, log). It imports platformsim only.
package optionfile

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"aiccbridge/internal/platformsim"
)

//go:embed example.yaml
var example string

// Example is a commented file with every setting and its default.
func Example() string { return example }

//go:embed profiles
var profiles embed.FS

// Profiles lists the editions of the platform that have a name, each with a line on what it
// is like. A profile is a settings file that comes along with the program.
func Profiles() (names []string, about map[string]string) {
	about = map[string]string{}
	entries, _ := profiles.ReadDir("profiles") // it is in the program
	for _, e := range entries {
		data, _ := profiles.ReadFile("profiles/" + e.Name())
		name := strings.TrimSuffix(e.Name(), ".yaml")
		line, _, _ := strings.Cut(string(data), "\n")
		names, about[name] = append(names, name), strings.TrimPrefix(line, "# ")
	}
	return names, about
}

// Profile sets what an edition differs in over base. The error lists those there are.
func Profile(name string, base platformsim.Options) (platformsim.Options, error) {
	data, err := profiles.ReadFile("profiles/" + name + ".yaml")
	if err != nil {
		names, _ := Profiles()
		return base, fmt.Errorf("no such profile; there are %s", strings.Join(names, ", "))
	}
	return decode(data, base)
}

// document is the file. The time zone is its name there.
type document struct {
	Timezone            string `yaml:"timezone"`
	platformsim.Options `yaml:",inline"`
}

// Load reads a file over base: what the file mentions replaces what is there.
func Load(file string, base platformsim.Options) (platformsim.Options, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return base, fmt.Errorf("read settings: %w", err)
	}
	o, err := decode(data, base)
	if err != nil {
		return base, fmt.Errorf("read settings from %s: %w", file, err)
	}
	return o, nil
}

func decode(data []byte, base platformsim.Options) (platformsim.Options, error) {
	var settings map[string]any
	if err := yaml.Unmarshal(data, &settings); err == nil && settings == nil {
		return base, nil // a file without settings; decoding it would clear all
	}
	d := document{Options: base}
	err := yaml.UnmarshalWithOptions(data, &d, yaml.Strict())
	if err != nil {
		return base, errors.New(yaml.FormatError(err, false, false)) // without the text of the file
	}
	if d.Timezone == "" {
		return d.Options, nil
	}
	if d.Options.Timezone, err = time.LoadLocation(d.Timezone); err != nil {
		return base, fmt.Errorf("timezone %s: no such zone; give an IANA name such as Asia/Shanghai", d.Timezone)
	}
	return d.Options, nil
}
