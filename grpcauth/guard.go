package grpcauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/lease"
)

// A guard stands between the transport and a method. It finds the rule of the method and the one credential of the call, has the Verifier
// judge it, and passes the call on without it. Whatever is not clearly allowed is refused; the handler is not called then.

// A Config configures a Guard. Verifier and Rules are required, and one of Leases and NoLeases.
type Config struct {
	Verifier *tokenauth.Verifier // judges the tokens
	// Rules says who may call which method, by its full name: "/package.Service/Method". A method without rule is refused.
	Rules map[string]Rule
	// Leases ends streams whose token dies. It must be of the same Verifier, and run: a stream without a lease is refused.
	Leases *lease.Leases
	// NoLeases says that streams go on when their token has died, until they end by themselves.
	NoLeases bool
}

// A Guard proves the callers of gRPC methods. It is safe for concurrent use. Make it with New; the zero Guard refuses everything.
type Guard struct {
	verifier *tokenauth.Verifier
	rules    map[string]Rule
	leases   *lease.Leases
}

// New checks the whole configuration and reports every problem at once, each naming its field.
func New(cfg Config) (*Guard, error) {
	var problems []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Errorf("grpcauth: Config."+format, args...))
		}
	}
	refuse(cfg.Verifier == nil, "Verifier: required: what judges the tokens")
	refuse(len(cfg.Rules) == 0, "Rules: required: a method without rule is refused")
	refuse(cfg.Leases == nil && !cfg.NoLeases, "Leases: required, unless NoLeases says that streams may outlive their token")
	refuse(cfg.Leases != nil && cfg.NoLeases, "NoLeases: set beside Leases")
	g := &Guard{verifier: cfg.Verifier, rules: map[string]Rule{}, leases: cfg.Leases}
	for _, method := range sortedKeys(cfg.Rules) {
		rule := cfg.Rules[method]
		refuse(!isMethod(method), "Rules[%q]: not of the form /package.Service/Method", method)
		if err := rule.check(); err != nil {
			problems = append(problems, fmt.Errorf("grpcauth: Config.Rules[%q]: %w", method, err))
		}
		g.rules[method] = rule
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return g, nil
}

// isMethod says whether name is a full method name.
func isMethod(name string) bool {
	service, method, ok := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	return ok && name[0] == '/' && service != "" && method != "" && !strings.Contains(method, "/")
}

// CheckServer says which methods of server have no rule, and which rules are of no method: call it when everything is registered, and do not
// serve on an error. It catches the method that was added to the service and forgotten here, which would be refused, and the name that was
// misspelt.
func (g *Guard) CheckServer(server interface {
	GetServiceInfo() map[string]grpc.ServiceInfo
}) error {
	unused := map[string]bool{}
	for method := range g.rules {
		unused[method] = true
	}
	var problems []error
	services := server.GetServiceInfo()
	for _, service := range sortedKeys(services) {
		for _, m := range services[service].Methods {
			method := "/" + service + "/" + m.Name
			if _, ok := g.rules[method]; !ok {
				problems = append(problems, fmt.Errorf("grpcauth: %s has no rule", method))
			}
			delete(unused, method)
		}
	}
	for _, method := range sortedKeys(unused) {
		problems = append(problems, fmt.Errorf("grpcauth: the server has no method %s", method))
	}
	return errors.Join(problems...)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// errNoRule refuses a method that nobody thought of.
var errNoRule = fmt.Errorf("grpcauth: the method has no rule: %w", tokenauth.ErrForbidden)

// rule returns the rule of a method.
func (g *Guard) rule(method string) (Rule, error) {
	rule, ok := g.rules[method]
	if !ok || rule.kind == refuseAll {
		return Rule{}, errNoRule
	}
	return rule, nil
}

// Unary is a grpc.UnaryServerInterceptor.
func (g *Guard) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	rule, err := g.rule(info.FullMethod)
	if err != nil {
		return nil, Status(err)
	}
	if rule.kind == public {
		return handler(withoutCredential(ctx), req)
	}
	question := rule.question(req)
	p, err := g.prove(ctx, rule, &question)
	if err != nil {
		return nil, Status(err)
	}
	return handler(tokenauth.WithPrincipal(withoutCredential(ctx), p), req)
}

// prove proves the caller of ctx and asks the rule's question, or none if question is nil. Without error and principal it is nobody, whom
// the rule lets pass.
func (g *Guard) prove(ctx context.Context, rule Rule, question *tokenauth.TokenScope) (*tokenauth.Principal, error) {
	token, err := credential(ctx)
	switch {
	case err != nil:
		return nil, err
	case token == "" && rule.kind == optional:
		return nil, nil
	case token == "":
		return nil, tokenauth.ErrMissingToken
	case rule.kind == scoped && question != nil:
		return g.verifier.Authorize(ctx, token, question.ResourceKind, question.ResourceID, question.Level)
	}
	return g.verifier.Verify(ctx, token)
}

// authorization is the key of the metadata value that is the credential. gRPC keeps keys in lower case.
const authorization = "authorization"

var (
	errSeveral  = fmt.Errorf("grpcauth: more than one authorization value: %w", tokenauth.ErrMalformed)
	errNoBearer = fmt.Errorf("grpcauth: the authorization value is not Bearer and one token: %w", tokenauth.ErrMalformed)
)

// credential returns the one token of a call, or "" if there is no credential at all. An error means that there is one, and that it is bad.
func credential(ctx context.Context) (string, error) {
	values := metadata.ValueFromIncomingContext(ctx, authorization)
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return bearer(values[0])
	}
	return "", errSeveral
}

// bearer returns the token of "Bearer", in any letter case, one blank or more, and a token (RFC 6750, section 2.1). Which characters a token
// may have the Verifier knows, but none has a blank.
func bearer(value string) (string, error) {
	scheme, rest, ok := strings.Cut(value, " ")
	token := strings.TrimLeft(rest, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t\r\n,") {
		return "", errNoBearer
	}
	return token, nil
}

// withoutCredential returns ctx with metadata that has no credential, and without a principal, whoever put one there.
func withoutCredential(ctx context.Context) context.Context {
	ctx = tokenauth.WithPrincipal(ctx, nil)
	md, ok := metadata.FromIncomingContext(ctx) // a copy
	if !ok || len(md[authorization]) == 0 {
		return ctx
	}
	delete(md, authorization)
	return metadata.NewIncomingContext(ctx, md)
}

// Status returns err as gRPC says it, with the code and the message of the package comment. nil is OK. An error that is itself a gRPC status,
// and none of package tokenauth, stays what it is.
func Status(err error) error {
	if err == nil {
		return nil
	}
	code := Code(err)
	if _, ok := err.(interface{ GRPCStatus() *status.Status }); ok && code == codes.Internal {
		return err
	}
	return status.Error(code, tokenauth.ErrorCode(err))
}

// Code returns the gRPC code of an error of a Verifier, a Principal or an Issuer; of any other it is INTERNAL, and OK of nil.
func Code(err error) codes.Code {
	switch {
	case err == nil:
		return codes.OK
	case errors.Is(err, tokenauth.ErrUnavailable): // first: what nobody knows is never known to be bad
		return codes.Unavailable
	case errors.Is(err, tokenauth.ErrInvalidToken):
		return codes.Unauthenticated
	case errors.Is(err, tokenauth.ErrForbidden):
		return codes.PermissionDenied
	case errors.Is(err, tokenauth.ErrInvalidRequest):
		return codes.InvalidArgument
	case errors.Is(err, tokenauth.ErrNotFound):
		return codes.NotFound
	case errors.Is(err, tokenauth.ErrExists):
		return codes.AlreadyExists
	}
	return codes.Internal
}
