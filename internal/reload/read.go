package reload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"aiccbridge/config"
)

// Reading is a configuration as it was read at one time.
type Reading struct {
	Config *config.Config // nil: it is wrong

	path  string
	text  []byte              // of the YAML file
	files map[string]stamp    // those that were read with it, as they were just before
	pipes map[string]contents // what is no file and gives what it has once
}

// contents are those of a file, and its mode.
type contents struct {
	data []byte
	mode fs.FileMode
}

// stamp tells a file from what stands in its place later; nil: it cannot be looked at. A link
// is what it points to.
type stamp = os.FileInfo

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

// alike reports the same file, not written to since.
func alike(a, b stamp) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// Read reads a configuration with all files that it names. The error is [config.Errors].
func Read(path string) (Reading, error) { return Reading{path: path}.Anew() }

// Anew reads everything once more.
func (r Reading) Anew() (Reading, error) {
	text, _, err := config.ReadFile(r.path)
	if err != nil {
		_, err = config.Load(r.path) // which says it better
		return Reading{path: r.path}, err
	}
	r.text = text
	return r.Again()
}

// Again reads the files that it names once more; the YAML is as it was.
func (r Reading) Again() (Reading, error) {
	next := Reading{path: r.path, text: r.text, files: map[string]stamp{}, pipes: map[string]contents{}}
	read := func(file string) ([]byte, fs.FileMode, error) {
		if known, ok := r.pipes[file]; ok {
			next.pipes[file] = known
			return known.data, known.mode, nil
		}
		now := stampOf(file)
		data, mode, err := config.ReadFile(file)
		if err == nil && !mode.IsRegular() {
			next.pipes[file] = contents{data, mode}
		} else if _, known := next.files[file]; !known {
			next.files[file] = now
		}
		return data, mode, err
	}
	var err error
	next.Config, err = config.Parse(r.path, r.text, config.Environment{Read: read})
	return next, err
}

// Refusal is why a configuration was not taken. Nothing has changed.
type Refusal struct {
	Keys     []string      // that need a restart
	Findings config.Errors // what is wrong
}

func (r *Refusal) Error() string {
	if len(r.Keys) > 0 {
		return fmt.Sprintf("nothing was changed: %s can be changed by a restart only; restart the bridge, or undo it", strings.Join(r.Keys, ", "))
	}
	return fmt.Sprintf("nothing was changed: the configuration is wrong\n%v", r.Findings)
}

// refuse makes a refusal of findings; own is the configuration's own file.
func refuse(err error, own string) error {
	var found config.Errors
	if !errors.As(err, &found) {
		return err
	}
	said := make(config.Errors, len(found))
	for i, f := range found {
		said[i] = tellable(f, own)
	}
	return &Refusal{Findings: said}
}

// ofAgents begins the keys of agents, in which a slip of the pen can make a key of a value.
var ofAgents = regexp.MustCompile(`^.*\.agents(?:\[\d+\])?`)

// tellable is what logs and answers may have of a finding: what stands in the place of one of an
// agent's keys, or in a list of agents, may be his phone or his password. `bridge check` tells it.
func tellable(f config.Finding, own string) config.Finding {
	key := ofAgents.FindString(f.Key)
	switch {
	case key != "":
		f.Key, f.Problem = key, "an agent is described wrongly; bridge check says how"
	case f.Key == "" && f.File != "" && f.File != own: // a list that has no keys
		f.Problem = "it cannot be read; bridge check says why"
	}
	return f
}
