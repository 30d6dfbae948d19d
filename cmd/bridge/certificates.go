package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"aiccbridge/config"
	"aiccbridge/internal/health"
)

// expirySoon is how long before its end a certificate is spoken of.
const expirySoon = 14 * 24 * time.Hour

// expiring says that a certificate, or one that is sent along with it, has expired at now,
// does so within 14 days, or is not valid yet; nil: all is well. Dates are in UTC.
func expiring(c tls.Certificate, now time.Time) error {
	var worst *x509.Certificate
	for _, der := range c.Certificate {
		one, err := x509.ParseCertificate(der)
		switch {
		case err != nil: // nobody that checks it will take it for one either
			continue
		case now.Before(one.NotBefore):
			return fmt.Errorf("the certificate of %s is valid from %s only", subject(one), one.NotBefore.UTC().Format(time.DateTime))
		case worst == nil || one.NotAfter.Before(worst.NotAfter):
			worst = one
		}
	}
	switch {
	case worst == nil || worst.NotAfter.After(now.Add(expirySoon)):
		return nil
	case worst.NotAfter.Before(now):
		return fmt.Errorf("the certificate of %s expired on %s", subject(worst), worst.NotAfter.UTC().Format(time.DateOnly))
	}
	return fmt.Errorf("the certificate of %s expires on %s", subject(worst), worst.NotAfter.UTC().Format(time.DateOnly))
}

func subject(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return c.DNSNames[0]
	}
	return c.Subject.String()
}

// shownCertificates are those that the bridge shows, by the keys that name them.
func shownCertificates(c *config.Config) map[string]*tls.Certificate {
	all := map[string]*tls.Certificate{
		"callbacks.certificate_file": c.Callbacks.Certificate, "listen.admin_certificate_file": c.Listen.AdminCertificate,
		"listen.nats_certificate_file": c.Listen.NATSCertificate, "nats.certificate_file": c.NATS.ClientCertificate,
	}
	maps.DeleteFunc(all, func(_ string, one *tls.Certificate) bool { return one == nil })
	return all
}

// renew is what to do about a certificate.
const renew = "put a new one there and restart the bridge"

// warnOfCertificates adds a warning for each that is about to expire, or worse.
func warnOfCertificates(c *config.Config, now time.Time) {
	shown := shownCertificates(c)
	for _, key := range slices.Sorted(maps.Keys(shown)) {
		if err := expiring(*shown[key], now); err != nil {
			c.Warnings = append(c.Warnings, c.Finding(key, err.Error(), renew))
		}
	}
}

// certificates is the check of those that the bridge shows.
func certificates(c *config.Config) health.Check {
	shown := shownCertificates(c)
	return health.Check{
		Name: "certificates", Costly: true, Find: func(context.Context) (all error) {
			for _, key := range slices.Sorted(maps.Keys(shown)) {
				if err := expiring(*shown[key], time.Now()); err != nil {
					all = errors.Join(all, fmt.Errorf("%s: %w; %s", key, err, renew))
				}
			}
			return all
		},
		Raised: "a certificate is not valid, or not for long", Over: "the certificates are valid",
	}
}
