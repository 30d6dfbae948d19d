package shelf

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"aiccbridge/schemas"
)

// S3Options say which bucket, and how to get there. URL, Bucket and the keys are required.
type S3Options struct {
	URL                  *url.URL // without a path
	Region               string   // "": as the store says
	Bucket, Prefix       string   // the prefix is a folder, with or without its slash
	AccessKey, SecretKey string
	RootCAs              *x509.CertPool // nil: the system's
}

// S3 keeps objects in a bucket of an S3-compatible store.
type S3 struct {
	client *minio.Client
	idle   func()
	o      S3Options
}

// NewS3 checks the options. It does no I/O.
func NewS3(o S3Options) (*S3, error) {
	if o.Prefix = strings.Trim(o.Prefix, "/"); o.Prefix != "" {
		o.Prefix += "/"
	}
	transport, err := minio.DefaultTransport(o.URL.Scheme == "https")
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	if o.RootCAs != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}
	}
	client, err := minio.New(o.URL.Host, &minio.Options{
		Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""), Secure: o.URL.Scheme == "https",
		Region: o.Region, Transport: transport, MaxRetries: 3,
	})
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	return &S3{client, transport.CloseIdleConnections, o}, nil
}

// Close drops idle connections.
func (s *S3) Close() { s.idle() }

// Address is what the addresses of its objects begin with.
func (s *S3) Address() string {
	return strings.TrimSuffix("s3://"+s.o.Bucket+"/"+s.o.Prefix, "/")
}

func (s *S3) key(name string) string { return s.o.Prefix + name }

// Put stores an object, replacing one of that name.
func (s *S3) Put(ctx context.Context, name string, meta map[string]string, r io.Reader) (string, error) {
	user := map[string]string{}
	for k, v := range meta {
		user[k] = url.QueryEscape(v) // headers are ASCII
	}
	size := int64(-1)
	if known, ok := r.(interface{ Len() int }); ok { // one request, instead of parts
		size = int64(known.Len())
	}
	_, err := s.client.PutObject(ctx, s.o.Bucket, s.key(name), r, size, minio.PutObjectOptions{
		UserMetadata: user, ContentType: "audio/wav", PartSize: 16 << 20,
	})
	if err != nil {
		return "", fmt.Errorf("put %s into bucket %s: %w", name, s.o.Bucket, err)
	}
	return s.Address() + "/" + name, nil
}

// Find returns what is known of an object.
func (s *S3) Find(ctx context.Context, name string) (schemas.Object, bool, error) {
	info, err := s.client.StatObject(ctx, s.o.Bucket, s.key(name), minio.StatObjectOptions{})
	if absent(err) {
		return schemas.Object{}, false, nil
	}
	if err != nil {
		return schemas.Object{}, false, fmt.Errorf("look for %s in bucket %s: %w", name, s.o.Bucket, err)
	}
	o := schemas.Object{Name: name, Bytes: info.Size, StoredAt: info.LastModified, Meta: map[string]string{}}
	for k, v := range info.UserMetadata {
		if plain, err := url.QueryUnescape(v); err == nil {
			o.Meta[strings.ToLower(k)] = plain
		}
	}
	return o, true, nil
}

// absent tells an object that is not there from a bucket that is not.
func absent(err error) bool {
	e := minio.ToErrorResponse(err)
	return err != nil && (e.Code == "NoSuchKey" || e.StatusCode == http.StatusNotFound && e.Code != "NoSuchBucket")
}

// Get opens an object; found is false when there is none of that name.
func (s *S3) Get(ctx context.Context, name string) (r io.ReadCloser, found bool, err error) {
	if _, found, err = s.Find(ctx, name); err != nil || !found {
		return nil, false, err
	}
	object, err := s.client.GetObject(ctx, s.o.Bucket, s.key(name), minio.GetObjectOptions{})
	if err != nil {
		return nil, false, fmt.Errorf("get %s from bucket %s: %w", name, s.o.Bucket, err)
	}
	return object, true, nil
}

// Each calls f with every object whose name begins with a prefix. What is known of them
// beyond size and time is left out: the store tells it for single objects only.
func (s *S3) Each(ctx context.Context, prefix string, f func(schemas.Object) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for info := range s.client.ListObjects(ctx, s.o.Bucket, minio.ListObjectsOptions{Prefix: s.key(prefix), Recursive: true}) {
		if info.Err != nil {
			return fmt.Errorf("list bucket %s: %w", s.o.Bucket, info.Err)
		}
		name := strings.TrimPrefix(info.Key, s.o.Prefix)
		if err := f(schemas.Object{Name: name, Bytes: info.Size, StoredAt: info.LastModified}); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes an object.
func (s *S3) Delete(ctx context.Context, name string) error {
	err := s.client.RemoveObject(ctx, s.o.Bucket, s.key(name), minio.RemoveObjectOptions{})
	if err != nil && !absent(err) {
		return fmt.Errorf("delete %s from bucket %s: %w", name, s.o.Bucket, err)
	}
	return nil
}

// Sweep has nothing to do: an object is put with one request. What stores keep of uploads in
// parts that broke off, rules of the bucket remove.
func (s *S3) Sweep(context.Context, time.Time) error { return nil }
