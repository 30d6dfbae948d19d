package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rs/zerolog"
)

// TestSecretsDoNotShow: no way of printing, encoding or logging a whole
// configuration shows a secret, and Reveal does.
func TestSecretsDoNotShow(t *testing.T) {
	c, err := parseFile(t, "testdata/full.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	password, key := c.Tenants[0].Gateway.Agents[0].Password, c.Tenants[0].Files.SecretKey
	if password.Reveal() != "test-password" || key.Reveal() != "test-secret-key" || password.File() != "testdata/secrets/101" {
		t.Fatalf("revealed %q, %q", password.Reveal(), key.Reveal())
	}
	hidden := struct{ s Secret }{password} // fmt cannot call methods on unexported fields
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		for _, v := range []any{c, *c, c.Tenants, c.Tenants[0].Gateway.Agents, *c.Tenants[0].Files, password, &password, hidden, &hidden, []Secret{key}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, v := range []any{c, c.Tenants, password, []Secret{key}, map[string]Secret{"a": password}} {
		j, jsonErr := json.Marshal(v)
		y, yamlErr := yaml.Marshal(v)
		if jsonErr != nil {
			t.Error(jsonErr)
		}
		_ = yamlErr // some parts of a Config, such as a certificate pool, have no YAML form
		out.Write(j)
		out.Write(y)
	}
	log := zerolog.New(&out)
	log.Info().Interface("config", c).Any("secret", password).Stringer("string", key).Msgf("%v %+v", c, password)
	for _, secret := range []string{"test-password", "test-secret-key", fmt.Sprintf("%x", "test-password")} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q shows", secret)
		}
	}
	if n := strings.Count(out.String(), "***"); n < 30 {
		t.Errorf("%s shows %d times only", "***", n)
	}
	if !strings.Contains(out.String(), `"secret":"***"`) {
		t.Error("the log does not hold the masked secret")
	}
	if (Secret{}).Reveal() != "" {
		t.Error("the zero secret is not empty")
	}
}

// TestSecretsFileFromAnEditor: a mark before the secret is no part of it; blanks around it are,
// and are warned of without showing it.
func TestSecretsFileFromAnEditor(t *testing.T) {
	dir := t.TempDir()
	for text, blanks := range map[string]bool{"\ufeffhush\r\n": false, " hush\n": true} {
		for name, text := range map[string]string{"password": text, "bridge.yaml": `tenants:
  - name: acme
    timezone: UTC
    gateway:
      url: https://127.0.0.1:1/agentgateway/resource
      agents: [{ id: "101", phone: "70001", password_file: password }]
`} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := Load(filepath.Join(dir, "bridge.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		said := fmt.Sprint(c.Warnings)
		if got := c.Tenants[0].Gateway.Agents[0].Password.Reveal(); strings.TrimSpace(got) != "hush" || (got != "hush") != blanks {
			t.Errorf("of %q the secret is %q", text, got)
		}
		if strings.Contains(said, "agents[0].password_file: the secret in ") != blanks || strings.Contains(said, "has blanks at an end") != blanks || strings.Contains(said, "hush") {
			t.Errorf("of %q check says %s", text, said)
		}
	}
}
