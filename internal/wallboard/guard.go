package wallboard

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// cookieName is of what a browser keeps of a sign-in. It is no token: it is made of it, so that
// it ends with it, and holds at every bridge that has the same.
const cookieName = "aicc-wallboard"

// signInLasts is how long; a screen on a wall has nobody to sign in.
const signInLasts = 30 * 24 * time.Hour

// maxForm is how long the form of a sign-in may be.
const maxForm = 4 << 10

// contentPolicy lets a page load what the bridge serves, and nothing from elsewhere.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guarded gives every answer its headers. Whether the name that a request came by may be is for
// the listener to say.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (b *Board) token() string {
	if b.o.Token == nil {
		return ""
	}
	return b.o.Token()
}

// signedIn reports whether a request may see the page: nobody is asked, it has the token, or
// what a sign-in left.
func (b *Board) signedIn(r *http.Request) bool {
	want := b.token()
	if want == "" || same(r.Header.Get("Authorization"), "Bearer "+want) {
		return true
	}
	for _, c := range r.CookiesNamed(cookieName) {
		until, _, _ := strings.Cut(c.Value, ".")
		ends, err := strconv.ParseInt(until, 10, 64)
		if err == nil && time.Now().Unix() < ends && same(c.Value, pass(want, until)) {
			return true
		}
	}
	return false
}

// pass is a cookie that holds until a time.
func pass(token, until string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(cookieName + " until " + until)) // never fails
	return until + "." + hex.EncodeToString(mac.Sum(nil))
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// signIn takes the token from the form, and leaves a cookie.
func (b *Board) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	want := b.token()
	if want != "" && !same(r.PostFormValue("token"), want) {
		seeOther(w, "../?wrong")
		return
	}
	until := time.Now().Add(signInLasts)
	http.SetCookie(w, b.cookie(r, pass(want, strconv.FormatInt(until.Unix(), 10)), int(signInLasts.Seconds())))
	seeOther(w, "../")
}

func (b *Board) signOut(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, b.cookie(r, "", -1))
	seeOther(w, "../")
}

// cookie is for this page alone. A proxy that ends TLS says so in a header, which can only
// make it stricter.
func (b *Board) cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: value, MaxAge: maxAge, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

// seeOther sends a browser to an address that is relative, as a proxy in front wants it.
func seeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}
