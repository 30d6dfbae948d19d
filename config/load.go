package config

import (
	"io/fs"
	"os"
	"reflect"
	"time"

	"aiccbridge/config/internal/source"
	"aiccbridge/config/internal/walk"
)

// decoder reads a configuration: what it found out stays in it.
type decoder struct{ *walk.Decoder }

// Environment is what a configuration refers to outside its own text.
// The zero value is the process's environment and file system.
type Environment struct {
	Lookup func(name string) (value string, set bool)     // nil: os.LookupEnv
	Read   func(path string) ([]byte, fs.FileMode, error) // nil: the file system, at most 16 MiB
	Now    func() time.Time                               // nil: time.Now
}

// Load reads and validates the file. Its error is Errors, also when the file
// itself cannot be read.
func Load(path string) (*Config, error) {
	data, _, err := source.Read(path)
	if err != nil {
		return nil, Errors{{File: path, Line: 1, Column: 1, Problem: "cannot be read: " + source.Cause(err),
			Remedy: source.Cure(err, "name the configuration with -c, or start from bridge.example.yaml")}}
	}
	return Parse(path, data, Environment{})
}

// ReadFile reads as Load does, and returns the file's mode.
func ReadFile(path string) ([]byte, fs.FileMode, error) { return source.Read(path) }

// Parse is Load for data that is already there. The name appears in findings;
// its folder is where relative paths start.
func Parse(name string, data []byte, env Environment) (*Config, error) {
	if env.Lookup == nil {
		env.Lookup = os.LookupEnv
	}
	if env.Read == nil {
		env.Read = source.Read
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	d := &decoder{walk.New(name, walk.Environment(env))}
	root, ok := d.Parse(data)
	if !ok {
		return nil, Errors(d.Findings)
	}
	var c Config
	d.Section("", root, reflect.ValueOf(&c).Elem())
	d.validate(&c)
	if len(d.Findings) > 0 {
		return nil, Errors(d.Sorted(d.Findings))
	}
	c.Warnings, c.decoder = d.Sorted(d.Warnings), d
	return &c, nil
}
