package walk

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"runtime"
	"strings"

	"aiccbridge/config/internal/scalar"
	"aiccbridge/config/internal/secret"
	"aiccbridge/config/internal/source"
)

// secret reads a secret's file: see secret.Read.
func (d *Decoder) secret(key, path string) (secret.Secret, *scalar.Fault) {
	data, mode, err := d.Env.Read(path)
	if err != nil {
		return secret.Secret{}, Missing(path, err)
	}
	s, problem, remedy := secret.Read(path, data)
	if problem != "" {
		return s, scalar.Faultf(remedy, "the file %s %s", path, problem)
	}
	if s.Padded() {
		d.Warn(key, "remove them unless they belong to it", "the secret in %s has blanks at an end", path)
	}
	d.WarnExposed(key, path, mode)
	return s, nil
}

// Missing is the fault of a file that cannot be read.
func Missing(path string, err error) *scalar.Fault {
	return scalar.Faultf(source.Cure(err, "create the file or correct the path (relative paths start at the configuration's folder)"), "%s cannot be read: %s", path, source.Cause(err))
}

// WarnExposed warns of a secret that others on this machine may read or replace. Its group may
// read it: that is how Kubernetes gives a secret to a user who is not root.
func (d *Decoder) WarnExposed(key, path string, mode fs.FileMode) {
	credentials, _ := d.Env.Lookup("CREDENTIALS_DIRECTORY") // systemd's, for this service alone
	if runtime.GOOS != "windows" && mode.Perm()&0o026 != 0 && !source.Below(credentials, path) {
		d.Warn(key, "run chmod 600 "+path, "the secret in %s may be read or changed by other users (mode %04o)", path, mode.Perm())
	}
}

// SecretPath checks a secret's file that others will read: NATS credentials.
func (d *Decoder) SecretPath(key, path string) {
	if path == "" || d.Bad[key] {
		return
	}
	data, mode, err := d.Env.Read(path)
	switch {
	case err != nil:
		d.ReportAt(key, d.Where(key), Missing(path, err))
	case strings.TrimSpace(string(data)) == "":
		d.Report(key, "write the secret into it", "the file %s is empty", path)
	default:
		d.WarnExposed(key, path, mode)
	}
}

// Pool reads a file of CA certificates; nil when none is named.
func (d *Decoder) Pool(key, path string) *x509.CertPool {
	if path == "" || d.Bad[key] {
		return nil
	}
	data, _, err := d.Env.Read(path)
	if err != nil {
		d.ReportAt(key, d.Where(key), Missing(path, err))
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		d.Report(key, "name a file with one or more -----BEGIN CERTIFICATE----- blocks", "%s holds no certificate in PEM form", path)
		return nil
	}
	return pool
}

// Pair is certificate for two keys of which both or none must be given.
func (d *Decoder) Pair(certKey, certPath, keyKey, keyPath string) *tls.Certificate {
	for _, half := range []struct{ key, path, other, otherPath string }{{certKey, certPath, keyKey, keyPath}, {keyKey, keyPath, certKey, certPath}} {
		if half.path == "" && half.otherPath != "" && !d.Bad[half.key] {
			d.Report(half.key, "give both or neither", "the key is missing although %s is given", half.other)
		}
	}
	return d.Certificate(certKey, certPath, keyKey, keyPath)
}

// Certificate reads a certificate and its private key; nil when one is not named.
func (d *Decoder) Certificate(certKey, certPath, keyKey, keyPath string) *tls.Certificate {
	cert, certOK := d.pemFile(certKey, certPath, "CERTIFICATE", "name the certificate, followed by its intermediate certificates, in PEM form")
	key, keyOK := d.pemFile(keyKey, keyPath, "PRIVATE KEY", "name the unencrypted private key in PEM form")
	if certOK {
		block, _ := pem.Decode(cert)
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			d.Report(certKey, "export the certificate again", "the certificate in %s is damaged", certPath)
			certOK = false
		}
	}
	if !certOK || !keyOK {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		d.Report(keyKey, "name the key that the certificate was made with", "the key in %s does not fit the certificate in %s, or cannot be read", keyPath, certPath)
		return nil
	}
	return &pair
}

// pemFile reads a file whose first PEM block is of the wanted type (by the end
// of its name: EC PRIVATE KEY is a PRIVATE KEY).
func (d *Decoder) pemFile(key, path, kind, remedy string) ([]byte, bool) {
	if path == "" || d.Bad[key] {
		return nil, false
	}
	data, mode, err := d.Env.Read(path)
	if err != nil {
		d.ReportAt(key, d.Where(key), Missing(path, err))
		return nil, false
	}
	rest := data
	for {
		block, after := pem.Decode(rest)
		if block == nil {
			d.Report(key, remedy, "%s holds no %s in PEM form", path, strings.ToLower(kind))
			return nil, false
		}
		if strings.HasSuffix(block.Type, kind) && !strings.HasPrefix(block.Type, "ENCRYPTED") {
			break
		}
		rest = after
	}
	if kind != "CERTIFICATE" {
		d.WarnExposed(key, path, mode)
		return data, true
	}
	return rest, true
}
