// Package otlp sends spans to a collector: OTLP over HTTP, as the environment of OpenTelemetry
// says (OTEL_EXPORTER_OTLP_ENDPOINT and its like).
//
// The OpenTelemetry project's own HTTP exporter links gRPC as well; this one has the project's
// encoding and queue, and a POST of its own.
//
// Invariants:
//
//   - Without an endpoint nothing is made: no goroutine, no Tracer.
//   - A collector that is away costs spans, never anything else: nothing waits for it but the
//     goroutine that sends, the queue is bounded (OTEL_BSP_MAX_QUEUE_SIZE) and drops what it has
//     no room for, and the log says when it begins, when it changes and when it is over.
//   - What the environment holds of secrets (headers, the address but for scheme and host, files
//     of keys) is in no error and no line.
package otlp

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings say where spans go.
type Settings struct {
	endpoint *url.URL
	headers  map[string]string
	timeout  time.Duration // of a batch, all tries together
	gzip     bool
	tls      *tls.Config // nil: the system's
}

// Endpoint is scheme and host of the collector; what else its address has may be a secret.
func (s *Settings) Endpoint() string { return s.endpoint.Scheme + "://" + s.endpoint.Host }

const defaultTimeout = 10 * time.Second

// environment looks variables up.
type environment func(name string) string

// of is a variable of the exporter: that of traces, or that of all signals.
func (env environment) of(name string) (value, variable string) {
	variable = "OTEL_EXPORTER_OTLP_TRACES_" + name
	if value = env.get(variable); value == "" {
		variable = "OTEL_EXPORTER_OTLP_" + name
		value = env.get(variable)
	}
	return value, variable
}

func (env environment) get(name string) string { return strings.TrimSpace(env(name)) }

// Mistake is a variable that has no value it can have.
type Mistake struct{ Variable, Problem, Remedy string }

func (m *Mistake) Error() string { return m.Variable + ": " + m.Problem + "; " + m.Remedy }

// Read reads the environment. nil without an error: no traces are wanted. The error joins a
// [*Mistake] for each variable that is wrong.
func Read(getenv func(string) string) (*Settings, error) {
	env := environment(getenv)
	address, variable := env.of("ENDPOINT")
	if address == "" || strings.EqualFold(env.get("OTEL_SDK_DISABLED"), "true") || env.get("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	s := &Settings{headers: map[string]string{}}
	wrong := []error{
		s.readEndpoint(address, variable), s.readHeaders(env), s.readTimeout(env), s.readTLS(env), checkSDK(env),
	}
	compression, variable := env.of("COMPRESSION")
	s.gzip = compression == "gzip"
	wrong = append(wrong, oneOf(variable, compression, "gzip", "none"))
	protocol, variable := env.of("PROTOCOL")
	wrong = append(wrong, oneOf(variable, protocol, "http/protobuf"))
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Settings) readEndpoint(address, variable string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" { // err has the address
		return &Mistake{variable, "it is no address", "give one such as http://collector.example.com:4318"}
	}
	if u.User != nil {
		return &Mistake{variable, "it has a user or a password", "put them into OTEL_EXPORTER_OTLP_HEADERS, as the collector wants them"}
	}
	if !strings.Contains(variable, "_TRACES_") {
		u = u.JoinPath("v1/traces")
	}
	s.endpoint = u
	return nil
}

func (s *Settings) readHeaders(env environment) error {
	all, variable := env.of("HEADERS")
	for one := range strings.SplitSeq(all, ",") {
		name, value, ok := strings.Cut(one, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		switch {
		case strings.TrimSpace(one) == "":
		case !ok || name == "" || strings.ContainsAny(name, " \t\r\n:") || err != nil || strings.ContainsAny(value, "\r\n\x00"):
			return &Mistake{variable, "it is no list of headers", "write name=value, with commas between them and %xx for what is not plain"}
		default:
			s.headers[name] = value
		}
	}
	return nil
}

func (s *Settings) readTimeout(env environment) error {
	value, variable := env.of("TIMEOUT")
	s.timeout = defaultTimeout
	if value == "" {
		return nil
	}
	ms, err := strconv.Atoi(value)
	if err != nil || ms <= 0 {
		return &Mistake{variable, "it is no time", "give milliseconds, such as 10000"}
	}
	s.timeout = time.Duration(ms) * time.Millisecond
	return nil
}

// readTLS reads the files that the environment names.
func (s *Settings) readTLS(env environment) error {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file, variable := env.of("CERTIFICATE"); file != "" {
		config.RootCAs = x509.NewCertPool()
		pem, err := os.ReadFile(file)
		if err != nil || !config.RootCAs.AppendCertsFromPEM(pem) {
			return &Mistake{variable, "its file holds no certificate that can be read", "name a file in PEM with the authority of the collector's certificate"}
		}
		s.tls = config
	}
	certificate, variable := env.of("CLIENT_CERTIFICATE")
	key, _ := env.of("CLIENT_KEY")
	if certificate == "" && key == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return &Mistake{variable, "it makes no pair with OTEL_EXPORTER_OTLP_CLIENT_KEY", "name two files in PEM that belong together"}
	}
	config.Certificates, s.tls = []tls.Certificate{pair}, config
	return nil
}

// Samplers that the SDK knows.
var samplers = []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}

// checkSDK checks what the SDK reads by itself, and silently leaves out when it is wrong.
func checkSDK(env environment) error {
	sampler := strings.ToLower(env.get("OTEL_TRACES_SAMPLER"))
	wrong := []error{
		oneOf("OTEL_TRACES_EXPORTER", env.get("OTEL_TRACES_EXPORTER"), "otlp", "none"),
		oneOf("OTEL_TRACES_SAMPLER", sampler, samplers...),
	}
	if arg := env.get("OTEL_TRACES_SAMPLER_ARG"); arg != "" && strings.HasSuffix(sampler, "traceidratio") {
		if ratio, err := strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			wrong = append(wrong, &Mistake{"OTEL_TRACES_SAMPLER_ARG", "it is no share", "give a number from 0 to 1"})
		}
	}
	for _, name := range []string{"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"} {
		if n, err := strconv.Atoi(cmp.Or(env.get(name), "1")); err != nil || n <= 0 {
			wrong = append(wrong, &Mistake{name, "it is no number above 0", "give one, or leave it out"})
		}
	}
	for pair := range strings.SplitSeq(env.get("OTEL_RESOURCE_ATTRIBUTES"), ",") {
		if pair != "" && !strings.Contains(pair, "=") {
			wrong = append(wrong, &Mistake{"OTEL_RESOURCE_ATTRIBUTES", "it is no list of attributes", "write name=value, with commas between them"})
			break
		}
	}
	return errors.Join(wrong...)
}

func oneOf(variable, value string, known ...string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return &Mistake{variable, "the bridge has no " + strconv.Quote(value), fmt.Sprintf("give %s, or leave it out", strings.Join(known, " or "))}
}
