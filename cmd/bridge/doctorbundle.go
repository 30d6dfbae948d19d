package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"strings"
	"time"

	"aiccbridge/config"
	"aiccbridge/internal/doctor"
)

// logBytes is how much of the end of a log a bundle has.
const logBytes = 4 << 20

// contents is what a bundle says of itself.
const contents = `What bridge doctor --bundle collected:

report.ndjson   what the doctor saw
config.yaml     the configuration as the bridge understands it
versions.json   of the bridge, its NATS server, and this machine
healthz.txt     what the bridge that runs says of itself, if it was reached
metrics.txt     its metrics
answers.json    of the platform's last answers and refusals, for each interface: operation, HTTP
                status, return code, class of the failure, time and size; nothing of what was in them
log.txt         the end of the log that was given with --log

Secrets are replaced by ***, so is what looks like credentials, and the agents' phone numbers of
the configuration. The bridge's own log has no phone numbers. Look it through before you give it away.
`

// mayBundle reports, before anything is looked at, why an archive could not be written.
func (o *doctorOptions) mayBundle() error {
	if o.archive == "" {
		return nil
	}
	if _, err := os.Lstat(o.archive); err == nil {
		return usageError{fmt.Errorf("--bundle: %s is there already; name another file", o.archive)}
	}
	_, err := endOf(o.log)
	return err
}

// bundle writes an archive for those who are to help, without secrets.
func (o *doctorOptions) bundle(ctx context.Context, cfg *config.Config, report []doctor.Line) (err error) {
	file, err := os.OpenFile(o.archive, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return usageError{fmt.Errorf("--bundle: %w", err)}
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(o.archive)
		}
	}()
	z, secrets := zip.NewWriter(file), secretsIn(reflect.ValueOf(cfg))
	put := func(name string, text []byte) {
		if err != nil || len(text) == 0 {
			return
		}
		var w io.Writer
		if w, err = z.Create(name); err == nil {
			_, err = w.Write(doctor.Redact(text, secrets))
		}
	}
	put("README.txt", []byte(contents))
	var lines bytes.Buffer
	for _, l := range report {
		_ = json.NewEncoder(&lines).Encode(l) // a buffer takes all
	}
	put("report.ndjson", lines.Bytes())
	effective, configured := cfg.Effective()
	put("config.yaml", effective)
	versions, _ := json.Marshal(map[string]any{"versions": currentVersions(), "system": runtime.GOOS + "/" + runtime.GOARCH, "cpus": runtime.NumCPU(), "at": time.Now().UTC()})
	put("versions.json", versions)
	put("healthz.txt", adminSays(ctx, cfg, "/healthz"))
	put("metrics.txt", adminSays(ctx, cfg, "/metrics"))
	put("answers.json", adminSays(ctx, cfg, "/answers"))
	log, logged := endOf(o.log)
	put("log.txt", log)
	return cmp.Or(err, configured, logged, z.Close())
}

// adminSays is what the bridge that runs answers on listen.admin; nothing if none does.
func adminSays(ctx context.Context, cfg *config.Config, path string) []byte {
	if cfg.Listen.Admin == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	scheme, transport := "http", &http.Transport{DisableKeepAlives: true}
	if cfg.Listen.AdminCertificate != nil {
		scheme, transport.TLSClientConfig = "https", onlyServer(cfg.Listen.AdminCertificate.Certificate[0])
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+cfg.Listen.Admin+path, nil)
	if err != nil {
		return nil
	}
	if token := cfg.Listen.AdminToken.Reveal(); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 16<<20)) // as far as it came
	return body
}

// endOf is the end of a file, from a line's beginning; nothing without a name.
func endOf(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("--log: %w", err)}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	from := max(0, info.Size()-logBytes)
	text, err := io.ReadAll(io.NewSectionReader(f, from, logBytes))
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if _, rest, ok := bytes.Cut(text, []byte("\n")); from > 0 && ok {
		text = rest
	}
	return text, nil
}

// secretsIn are all secrets of a configuration.
func secretsIn(v reflect.Value) (all []string) {
	if s, ok := v.Interface().(config.Secret); ok {
		all = append(all, s.Reveal())
		if _, password, ok := strings.Cut(s.Reveal(), ":"); ok { // of a proxy
			all = append(all, password, base64.StdEncoding.EncodeToString([]byte(s.Reveal())))
		}
		return all
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return secretsIn(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			all = append(all, secretsIn(v.Index(i))...)
		}
	case reflect.Struct:
		if v.Type().PkgPath() != reflect.TypeFor[config.Config]().PkgPath() {
			return nil // another's: it holds none of ours
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				all = append(all, secretsIn(v.Field(i))...)
			}
		}
	}
	return all
}
