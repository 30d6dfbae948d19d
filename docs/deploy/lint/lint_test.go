// Package lint has the tools whose files these are read them: Kubernetes' own types, strictly,
// Compose's loader, BuildKit's parser and linter. It is a module of its own, because the bridge
// needs none of them. `make deploy-lint` runs it.
package lint

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// decode reads one document as Kubernetes does with strict validation of fields.
func decode(document []byte) (kind string, err error) {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	_, k, err := decoder.Decode(document, nil, nil)
	if err != nil {
		return "", err
	}
	return k.Kind, nil
}

// kustomization is what we use of one.
type kustomization struct {
	APIVersion         string   `json:"apiVersion"`
	Kind               string   `json:"kind"`
	Namespace          string   `json:"namespace"`
	Resources          []string `json:"resources"`
	ConfigMapGenerator []struct {
		Name  string   `json:"name"`
		Files []string `json:"files"`
	} `json:"configMapGenerator"`
	Images []struct {
		Name   string `json:"name"`
		NewTag string `json:"newTag"`
	} `json:"images"`
}

// TestKubernetes: every manifest is one that Kubernetes takes, and the kustomization names all.
func TestKubernetes(t *testing.T) {
	var k kustomization
	if err := yaml.UnmarshalStrict(read(t, "../kubernetes/kustomization.yaml"), &k); err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob("../kubernetes/*.yaml")
	if err != nil || len(all) < 8 {
		t.Fatalf("%v: %v", all, err)
	}
	kinds := map[string]int{}
	for _, path := range all {
		name := filepath.Base(path)
		if slices.Contains([]string{"kustomization.yaml", "bridge.yaml", "monitor.yaml"}, name) {
			continue
		}
		if !slices.Contains(k.Resources, name) {
			t.Errorf("the kustomization leaves %s out", name)
		}
		for _, document := range bytes.Split(read(t, path), []byte("\n---\n")) {
			kind, err := decode(document)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			kinds[kind]++
		}
	}
	for _, kind := range []string{"Namespace", "ServiceAccount", "Service", "StatefulSet", "Job", "PodDisruptionBudget", "NetworkPolicy"} {
		if kinds[kind] == 0 {
			t.Errorf("there is no %s in %v", kind, kinds)
		}
	}
	for _, name := range append(k.Resources, k.ConfigMapGenerator[0].Files...) {
		read(t, "../kubernetes/"+name)
	}
}

// TestStrict: what it would not take, so that the test above can fail.
func TestStrict(t *testing.T) {
	set := string(read(t, "../kubernetes/statefulset.yaml"))
	for what, broken := range map[string]string{
		"key misspelt": strings.Replace(set, "readinessProbe:", "readynessProbe:", 1),
		"key twice":    strings.Replace(set, "  replicas: 2\n", "  replicas: 2\n  replicas: 3\n", 1),
		"wrong type":   strings.Replace(set, "  replicas: 2\n", "  replicas: two\n", 1),
		"no such kind": strings.Replace(set, "apps/v1", "apps/v1beta9", 1),
	} {
		if _, err := decode([]byte(broken)); err == nil || broken == set {
			t.Errorf("%s passes", what)
		}
	}
	var service corev1.Service
	if err := yaml.UnmarshalStrict(bytes.Split(read(t, "../kubernetes/service.yaml"), []byte("\n---\n"))[0], &service); err != nil || service.Spec.ClusterIP != "None" {
		t.Errorf("%+v: %v", service, err)
	}
}

// TestCompose: Compose's own loader takes the file, with every file that it names.
func TestCompose(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "deploy"), os.DirFS("..")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "deploy/compose/secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := "NATS_BRIDGE_PASSWORD='\"a\"'\nNATS_APPLY_PASSWORD='\"b\"'\nNATS_READER_PASSWORD='\"c\"'\n"
	if err := os.WriteFile(filepath.Join(dir, "deploy/compose/secrets/nats.env"), []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := cli.NewProjectOptions([]string{filepath.Join(dir, "deploy/compose/compose.yaml")}, cli.WithConsistency(true), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if names := p.ServiceNames(); len(names) != 7 {
		t.Errorf("its services are %v", names)
	}
	for _, name := range []string{"bridge-1", "bridge-2"} {
		s := p.Services[name]
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || len(s.Volumes) != 1 || s.Volumes[0].Source != name {
			t.Errorf("%s: %+v", name, s)
		}
	}
	// The server wants its passwords between double quotes, which have to outlive the file of variables.
	if got := p.Services["nats-1"].Environment["NATS_BRIDGE_PASSWORD"]; got == nil || *got != `"a"` {
		t.Errorf("the server's password is %v", got)
	}
}

// lint returns BuildKit's warnings of a file.
func lint(text []byte) (warnings []string, err error) {
	ast, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	l := linter.New(&linter.Config{Warn: func(name, _, _, message string, _ []parser.Range) {
		warnings = append(warnings, fmt.Sprintf("%s: %s", name, message))
	}})
	for _, w := range ast.Warnings {
		warnings = append(warnings, w.Short)
	}
	_, _, err = instructions.Parse(ast.AST, l)
	return warnings, err
}

// TestContainerfile: BuildKit parses it, and has nothing to say.
func TestContainerfile(t *testing.T) {
	text := read(t, "../container/Containerfile")
	warnings, err := lint(text)
	if err != nil || len(warnings) > 0 {
		t.Errorf("%v: %q", err, warnings)
	}
	for what, broken := range map[string]string{
		"no such instruction": strings.Replace(string(text), "STOPSIGNAL", "STOPSIGNALS", 1),
		"small letters":       strings.Replace(string(text), "FROM scratch", "FROM scratch as bridge", 1),
		"a shell in CMD":      strings.Replace(string(text), `CMD ["run",`, `MAINTAINER me`+"\n"+`CMD ["run",`, 1),
	} {
		if warnings, err := lint([]byte(broken)); err == nil && len(warnings) == 0 {
			t.Errorf("%s passes", what)
		}
	}
}
