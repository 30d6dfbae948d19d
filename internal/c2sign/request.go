package c2sign

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Request is what the signature covers of an HTTP request.
type Request struct {
	Method string     // upper-cased when signed
	Path   string     // exactly as on the wire, percent signs included; "" counts as "/"
	Query  url.Values // decoded
	// Header holds the values of the headers to be signed, by lower-case name. "host" is
	// the Host line and "content-length" the decimal byte count: net/http keeps neither
	// in its header map. FromHTTP fills both.
	Header map[string]string
	Body   []byte // raw bytes as sent; always covered
}

// FromHTTP describes a request received by a server whose body has been read. The path is
// the one on the request line, even behind http.StripPrefix. A chunked request counts the
// bytes of its body as content-length. Repeated headers are joined with ", ", which no
// honest signer signs. The error is ErrMalformed for an undecodable query.
func FromHTTP(r *http.Request, body []byte) (Request, error) {
	path := r.URL.EscapedPath()
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ = strings.Cut(r.RequestURI, "?")
	}
	length := r.ContentLength
	if length < 0 || len(r.TransferEncoding) > 0 {
		length = int64(len(body))
	}
	return newRequest(r, path, r.Host, length, body)
}

func newRequest(r *http.Request, path, host string, length int64, body []byte) (Request, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return Request{}, fmt.Errorf("parse query: %w", ErrMalformed)
	}
	header := make(map[string]string, len(r.Header)+2)
	for name, values := range r.Header {
		header[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	header["host"] = host
	header["content-length"] = strconv.FormatInt(length, 10)
	return Request{Method: r.Method, Path: path, Query: query, Header: header, Body: body}, nil
}
