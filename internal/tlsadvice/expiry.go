package tlsadvice

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// soon is how long before its end a certificate is spoken of.
const soon = 14 * 24 * time.Hour

// Expiry says that a certificate, or one that is sent along with it, has expired at now,
// does so within 14 days, or is not valid yet; nil: all is well. Dates are in UTC.
func Expiry(c tls.Certificate, now time.Time) error {
	var worst *x509.Certificate
	for _, der := range c.Certificate {
		one, err := x509.ParseCertificate(der)
		switch {
		case err != nil: // nobody that checks it will take it for one either
			continue
		case now.Before(one.NotBefore):
			return fmt.Errorf("the certificate of %s is valid from %s only", host(one), one.NotBefore.UTC().Format(time.DateTime))
		case worst == nil || one.NotAfter.Before(worst.NotAfter):
			worst = one
		}
	}
	switch {
	case worst == nil || worst.NotAfter.After(now.Add(soon)):
		return nil
	case worst.NotAfter.Before(now):
		return fmt.Errorf("the certificate of %s expired on %s", host(worst), worst.NotAfter.UTC().Format(time.DateOnly))
	}
	return fmt.Errorf("the certificate of %s expires on %s", host(worst), worst.NotAfter.UTC().Format(time.DateOnly))
}

// host is whom our certificate is for.
func host(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return c.DNSNames[0]
	}
	return c.Subject.String()
}
