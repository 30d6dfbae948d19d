package digest

import (
	"slices"
	"testing"
)

// TestDigest: a digest tells which members of two documents differ; one that has ended, as
// that of fewer members does, is one of absent ones.
func TestDigest(t *testing.T) {
	of := func(object any, members ...string) string {
		t.Helper()
		d, err := Of(object, members)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	all := []string{"a", "b", "c"}
	one := of(map[string]any{"a": 1, "b": "x"}, all...)
	if len(one) != 8+8+1 || one[16] != '-' {
		t.Errorf("the digest is %s", one)
	}
	for name, tt := range map[string]struct {
		other string
		want  []string
	}{
		"the same":       {of(map[string]any{"b": "x", "a": 1}, all...), nil},
		"another b":      {of(map[string]any{"a": 1, "b": "y"}, all...), []string{"b"}},
		"a c":            {of(map[string]any{"a": 1, "b": "x", "c": nil}, all...), []string{"c"}},
		"without an a":   {of(map[string]any{"b": "x"}, all...), []string{"a"}},
		"of fewer":       {of(map[string]any{"a": 1, "b": "x"}, "a", "b"), nil},
		"of the first":   {of(map[string]any{"a": 1}, "a"), []string{"b"}},
		"of nothing":     {"", []string{"a", "b"}},
		"cut in a hash":  {one[:12], []string{"b"}},
		"of other kinds": {of(map[string]any{"a": "1", "b": []int{}}, all...), []string{"a", "b"}},
	} {
		if got := Changed(one, tt.other, all); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if got := Changed(tt.other, one, all); !slices.Equal(got, tt.want) {
			t.Errorf("%s, before: %v, want %v", name, got, tt.want)
		}
	}
	for _, object := range []any{make(chan int), []int{1}} {
		if d, err := Of(object, all); err == nil {
			t.Errorf("the digest of %T is %q", object, d)
		}
	}
}
