package worker

import (
	"context"
	"errors"

	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/trace"
	"aiccbridge/schemas"
)

// step takes one step of the way of a file, in a span of its own.
func (x *export) step(ctx context.Context, name string, f func(ctx context.Context) error) error {
	ctx, span := x.w.o.Tracer.Start(ctx, name)
	err := f(ctx)
	span.End(class(err))
	return err
}

// class is that of an error, or of the refusal of the file store that it is.
func class(err error) string {
	if refused := (*ccfs.Error)(nil); errors.As(err, &refused) && !errors.As(err, new(*schemas.Permanent)) {
		return string(refused.Class)
	}
	return trace.Class(err)
}
