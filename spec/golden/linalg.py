"""Cases of linear algebra. What is unique only up to signs is compared by what it is made for."""
from cases import *  # noqa: F401,F403

EYE = torch.eye(3)
REGULAR = draws(3, 3, seed=31) + 4 * EYE
REGULAR2 = torch.stack([REGULAR, draws(3, 3, seed=32) - 5 * EYE])
ANY = draws(3, 3, seed=33)
RIGHT, VECTOR = draws(3, 2, seed=34), draws(3, seed=35)
TALL, WIDE = draws(4, 2, seed=36), draws(2, 4, seed=37)
SINGULAR = tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 1.0]])
TALL3, WIDE3 = draws(2, 4, 2, seed=38), draws(2, 2, 4, seed=39)


def systems(f):
    f.case("torch.inverse(a)", "torch.inverse(a)", a=REGULAR)
    f.case("torch.inverse(a)", "torch.inverse(a)", a=REGULAR2)
    f.case("torch.solve(a, b)", "torch.linalg.solve(a, b)", a=REGULAR, b=RIGHT)
    f.case("torch.solve(a, b)", "torch.linalg.solve(a, b)", a=REGULAR, b=VECTOR)
    f.case("torch.solve(a, b)", "torch.linalg.solve(a, b)", a=REGULAR2, b=RIGHT)
    f.case("(torch.gesv(b, a))", "torch.linalg.solve(a, b)", a=REGULAR, b=RIGHT)
    f.case("(torch.gesv(b, a))", "torch.linalg.solve(a, b[:, None])", a=REGULAR, b=VECTOR)
    for x in (REGULAR, REGULAR2, ANY, draws(1, 1)):
        f.case("torch.det(a)", "=", a=x)
        f.case("torch.slogdet(a)", "=", a=x)
    f.case("torch.det(a)", "=", a=SINGULAR)
    f.case("torch.logdet(a)", "=", a=REGULAR)
    f.case("torch.logdet(a)", "=", grad=False, a=-REGULAR)
    f.case("torch.logdet(a)", "=", grad=False, a=SINGULAR)
    f.case("torch.lu_factor(a)", "torch.linalg.lu_factor(a)", a=ANY)
    f.case("torch.lu_factor(a)", "torch.linalg.lu_factor(a)", grad=False, a=TALL3)
    f.case("torch.linalg.lu(a)", "=", a=ANY)
    f.case("torch.linalg.lu(a)", "=", grad=False, a=WIDE3)
    f.case("torch.linalg.lu_solve(l, p, b)", "torch.linalg.lu_solve(l, p, b)", grad=False,
           l=torch.linalg.lu_factor(ANY)[0], p=torch.linalg.lu_factor(ANY)[1], b=RIGHT)
    for upper, words in ((True, '"U"'), (False, '"L"')):
        for transpose in (False, True):
            for unit in (False, True):
                f.case('(torch.trtrs(b, a, %s, "%s", "%s"))'
                       % (words, "NT"[transpose], "NU"[unit]),
                       "torch.triangular_solve(b, a, %s, %s, %s)[0]" % (upper, transpose, unit),
                       a=REGULAR, b=RIGHT)
        text = str(upper).lower()
        f.case("torch.linalg.solve_triangular(a, b, {upper = %s})" % text,
               "torch.linalg.solve_triangular(a, b, upper=%s)" % upper, a=REGULAR2, b=RIGHT)
        f.case("torch.linalg.solve_triangular(a, b, {upper = %s, left = false})" % text,
               "torch.linalg.solve_triangular(a, b, upper=%s, left=False)" % upper, a=REGULAR,
               b=RIGHT.T.contiguous())


def positive(f):
    s = "(x * x:t() + torch.eye(3):double())"
    t = "(x @ x.T + torch.eye(3))"
    f.case("torch.potrf(%s)" % s, "torch.linalg.cholesky(%s).T" % t, x=ANY)
    f.case('torch.potrf(%s, "L")' % s, "torch.linalg.cholesky(%s)" % t, x=ANY)
    f.case("torch.cholesky(%s)" % s, "torch.linalg.cholesky(%s)" % t, x=ANY)
    f.case("torch.cholesky(%s, true)" % s, "torch.linalg.cholesky(%s).T" % t, x=ANY)
    f.case("torch.cholesky_solve(b, l)", "torch.cholesky_solve(b, l.tril())", l=REGULAR, b=RIGHT)
    f.case("torch.cholesky_solve(b, l, true)", "torch.cholesky_solve(b, l.triu(), True)",
           l=REGULAR, b=RIGHT)
    f.case("torch.potrs(b, u)", "torch.cholesky_solve(b, u.triu(), True)", u=REGULAR, b=RIGHT)
    f.case('torch.potrs(b, u, "L")', "torch.cholesky_solve(b, u.tril())", u=REGULAR,
           b=VECTOR[:, None])
    f.case("torch.potri(u)", "torch.cholesky_inverse(u.triu(), True)", u=REGULAR)
    f.case("torch.cholesky_inverse(l)", "torch.cholesky_inverse(l.tril())", l=REGULAR)


def factors(f):
    for x in (TALL, WIDE, ANY, TALL3, WIDE3):
        f.case("torch.qr(a)", "torch.linalg.qr(a)", a=x)
    f.case('torch.qr(a, "complete")', "torch.linalg.qr(a, mode='complete')", grad=False, a=TALL)
    f.case("torch.geqrf(a)", "torch.geqrf(a)", grad=False, a=TALL)
    f.case("torch.geqrf(a)", "torch.geqrf(a)", grad=False, a=WIDE)
    m, tau = torch.geqrf(TALL)
    f.case("torch.orgqr(m, t)", "torch.orgqr(m, t)", grad=False, m=m, t=tau)
    f.case("torch.ormqr(m, t, c)", "torch.ormqr(m, t, c)", grad=False, m=m, t=tau, c=TALL)
    f.case('torch.ormqr(m, t, c, "L", "T")', "torch.ormqr(m, t, c, transpose=True)", grad=False,
           m=m, t=tau, c=TALL)
    f.case('torch.ormqr(m, t, c, "R")', "torch.ormqr(m, t, c, left=False)", grad=False,
           m=m, t=tau, c=WIDE)
    f.case("torch.symeig(a + a:t())", "(torch.linalg.eigvalsh(a + a.T), torch.zeros(0))", a=ANY)
    f.case("torch.eigvalsh(a)", "torch.linalg.eigvalsh(a)", grad=False, a=ANY)
    f.case('torch.eigvalsh(a, "U")', "torch.linalg.eigvalsh(a, 'U')", grad=False, a=ANY)
    for x in (TALL, WIDE, ANY, TALL3):
        f.case("torch.svdvals(a)", "torch.linalg.svdvals(a)", a=x)
        f.case("torch.pinv(a)", "torch.linalg.pinv(a)", a=x)
        f.case("torch.matrix_rank(a)", "torch.linalg.matrix_rank(a)", grad=False, a=x)
    f.case("torch.pinv(a)", "torch.linalg.pinv(a)", grad=False, a=SINGULAR)
    f.case("torch.matrix_rank(a)", "torch.linalg.matrix_rank(a)", grad=False, a=SINGULAR)
    f.case("torch.lstsq(a, b)", "torch.linalg.lstsq(a, b)[0]", a=TALL, b=draws(4, 3, seed=40))
    f.case("torch.lstsq(a, b)", "torch.linalg.lstsq(a, b, driver='gelsd')[0]", a=WIDE, b=A)
    f.case("(torch.gels(b, a)):narrow(1, 1, 2)", "torch.linalg.lstsq(a, b)[0]", grad=False,
           a=TALL, b=draws(4, 3, seed=40))
    f.case("(torch.gels(b, a))", "torch.linalg.lstsq(a, b)[0]", grad=False, a=WIDE, b=A)
    f.case("torch.linalg.lstsq(a, b)",
           "(lambda r: (r.solution, r.residuals, r.rank, r.singular_values))"
           "(torch.linalg.lstsq(a, b, driver='gelsd'))", grad=False, a=TALL,
           b=draws(4, 3, seed=40))
    f.case("(torch.sort(torch.eigvals(a), 1))",  # their order is not fixed
           "torch.view_as_real(torch.linalg.eigvals(a)).sort(0)[0]", grad=False, a=ANY)


def norms():
    f = File("linalg_norms", "Norms of vectors and matrices")
    for order, lua in (("'fro'", '"fro"'), ("'nuc'", '"nuc"'), ("INF", "1/0"), ("-INF", "-1/0"),
                       ("1", "1"), ("-1", "-1"), ("2", "2"), ("-2", "-2")):
        for x in (A, CUBE):
            f.case("torch.matrix_norm(a, %s)" % lua, "torch.linalg.matrix_norm(a, %s)" % order, a=x)
        f.case("torch.matrix_norm(a, %s, {1, -1}, true)" % lua,
               "torch.linalg.matrix_norm(a, %s, (0, -1), True)" % order, a=CUBE)
        norm = "torch.linalg.matrix_norm(%%s, %s)" % order  # of cond not all have a gradient there
        f.case("torch.cond(a, %s)" % lua, "torch.linalg.cond(a, %s)" % order if "2" in order
               else norm % "a" + " * " + norm % "torch.inverse(a)", a=REGULAR)
    f.case("torch.cond(a)", "torch.linalg.cond(a)", a=TALL3)
    for order, lua in (("2", "2"), ("1", "1"), ("3", "3"), ("0.5", "0.5"), ("-1", "-1"),
                       ("INF", "1/0"), ("-INF", "-1/0")):
        f.case("torch.vector_norm(a, %s)" % lua, "torch.linalg.vector_norm(a, %s)" % order, a=A)
        f.case("torch.vector_norm(a, %s, {1, 3}, true)" % lua,
               "torch.linalg.vector_norm(a, %s, (0, 2), True)" % order, a=CUBE)
        f.case("torch.vector_norm(a, %s, -2)" % lua,
               "torch.linalg.vector_norm(a, %s, -2)" % order, a=CUBE)
    f.case("torch.linalg.norm(a)", "=", a=A)
    f.case("torch.linalg.norm(a, 1)", "=", a=A)
    f.case("torch.linalg.norm(a, 1, 1)", "torch.linalg.norm(a, 1, 0)", a=A)
    f.write()


def products():
    f = File("linalg_products", "Products of many kinds")
    one, two, batch = draws(3, 4, seed=41), draws(4, 2, seed=42), draws(2, 3, 4, seed=43)
    batch2, four = draws(2, 4, 2, seed=44), draws(4, seed=45)
    for equation, inputs in (
            ("ij,jk->ik", (one, two)), ("ij,jk", (one, two)), ("ij->", (one,)), ("ij->j", (one,)),
            ("ij->ji", (one,)), ("ba", (one,)), ("ii", (ANY,)), ("ii->i", (ANY,)),
            ("i,j", (four, VECTOR)),
            ("bij,bjk->bik", (batch, batch2)), ("bij,bjk->ki", (batch, batch2)),
            ("bij,kj->bk", (batch, draws(2, 4, seed=46))), ("...ij,...jk->...ik", (batch, two)),
            ("...i,...i->...", (batch, four)), ("i...,j->...j", (batch, VECTOR)),
            ("ij,ij->ij", (one, one)), ("ij,ij,ij->i", (one, one, one)),
            ("ij,jk,kl->il", (one, two, WIDE)), ("iij->j", (draws(2, 2, 3, seed=47),)),
            ("iji->ij", (draws(2, 3, 2, seed=48),)), ("ij,k->k", (one, four)),
            ("ij,kj->ik", (one, draws(2, 1, seed=49))), ("...,...->...", (one, four)),
            ("i,i->", (four, four)), (" i j , j k -> i k ", (one, two))):
        names = "abc"[:len(inputs)]
        call = "torch.einsum(\"%s\", %s)" % (equation, ", ".join(names))
        f.case(call, "=", **dict(zip(names, inputs)))
    f.case("torch.tensordot(a, b, 1)", "=", a=one, b=two)
    f.case("torch.tensordot(a, b)", "=", a=batch, b=draws(3, 4, 2, seed=50))
    f.case("torch.tensordot(a, b, {1, -1}, {3, 2})", "torch.tensordot(a, b, ([0, 2], [2, 1]))",
           a=batch, b=draws(3, 4, 2, seed=51))
    f.case("torch.tensordot(a, b, 0)", "=", a=ROW, b=VECTOR)
    f.case("torch.multi_dot{a, b, c}", "torch.linalg.multi_dot([a, b, c])", a=one, b=two, c=WIDE)
    f.case("torch.multi_dot(a, b, c)", "torch.linalg.multi_dot([a, b, c])", a=VECTOR, b=one, c=four)
    f.case("torch.chain_matmul(a, b)", "a @ b", a=one, b=two)
    f.case("torch.kron(a, b)", "=", a=A, b=WIDE)
    f.case("torch.kron(a, b)", "=", a=A, b=ROW)
    f.case("torch.outer(a, b)", "=", a=ROW, b=four)
    f.case("torch.inner(a, b)", "=", a=batch, b=one)
    f.case("torch.inner(a, b)", "=", a=ROW, b=VECTOR)
    f.case("torch.vander(x)", "torch.linalg.vander(x).flip(1)", x=four)
    f.case("torch.vander(x, 3, true)", "torch.linalg.vander(x, N=3)", x=four)
    f.case("torch.vander(x, 6, true)", "torch.linalg.vander(x, N=6)", x=tensor([0.0, 1.5, -2.0]))
    for power in (0, 1, 2, 5, -1, -3):
        f.case("torch.matrix_power(a, %d)" % power, "=", grad=power != 0, a=REGULAR2)
    for scale in (0.1, 1, 5):
        f.case("torch.matrix_exp(a)", "=", a=ANY * scale)
    f.case("torch.matrix_exp(a)", "=", a=draws(2, 2, 2, seed=52))
    for p, lua in ((2, "2"), (1, "1"), (3.0, "3"), (0.5, "0.5"), ("INF", "1/0"), (0, "0")):
        f.case("torch.cdist(a, b, %s)" % lua, "torch.cdist(a, b, %s)" % p, grad=p != 0,
               a=draws(3, 4, seed=53), b=draws(2, 4, seed=54))
    f.case("torch.cdist(a, b)", "=", a=batch, b=draws(2, 2, 4, seed=55))
    f.case("torch.cdist(a, b)", "=", a=batch[0], b=batch[0])
    f.case("torch.match(a, b, 0.5)", "0.5 * ((a[:, None] - b[None]) ** 2).sum(2)", a=batch[0],
           b=draws(2, 4, seed=56))
    f.case("torch.addbmm(m, a, b)", "=", m=draws(3, 2, seed=56), a=batch, b=batch2)
    f.case("torch.addbmm(0.5, m, 2, a, b)", "torch.addbmm(m, a, b, beta=0.5, alpha=2)",
           m=draws(3, 2, seed=56), a=batch, b=batch2)
    f.case("torch.mm(a, b)", "=", a=tensor([[2 ** 62, 3], [-5, 7]], torch.int64),
           b=tensor([[3, 2], [1, 2 ** 40 + 1]], torch.int64))
    f.write()


def make():
    f = File("linalg", "Systems of equations and factors")
    systems(f)
    positive(f)
    factors(f)
    f.write()
    norms()
    products()
