namespace Lathe.Graph.Sizing;

/// <summary>c + Σ a_i·n_i + Σ_{i ≤ j} b_ij·n_i·n_j with whole coefficients.</summary>
internal sealed class Polynomial(
    long constant, (int I, long Coefficient)[] linear, (int I, int J, long Coefficient)[] quadratic)
{
    /// <summary>Key of a linear form's constant part.</summary>
    public const int Constant = -1;

    public double Evaluate(ReadOnlySpan<double> n)
    {
        double sum = constant;
        foreach (var (i, a) in linear) sum += a * n[i];
        foreach (var (i, j, b) in quadratic) sum += b * n[i] * n[j];
        return sum;
    }

    public long Count(ReadOnlySpan<int> n)
    {
        var sum = constant;
        foreach (var (i, a) in linear) sum += a * n[i];
        foreach (var (i, j, b) in quadratic) sum += b * n[i] * n[j];
        return sum;
    }

    /// <summary>The terms of two polynomials, constants left out, with the coefficient that each has in both; a linear term has <see cref="Constant"/> for its first variable.</summary>
    public static IEnumerable<(int I, int J, long Wanted, long Known)> Terms(Polynomial wanted, Polynomial known)
    {
        var (first, second) = (wanted.Coefficients(), known.Coefficients());
        return first.Keys.Union(second.Keys).Select(term => (term.I, term.J, first.GetValueOrDefault(term), second.GetValueOrDefault(term)));
    }

    private Dictionary<(int I, int J), long> Coefficients() =>
        linear.Select(t => ((Constant, t.I), t.Coefficient)).Concat(quadratic.Select(t => ((t.I, t.J), t.Coefficient))).ToDictionary(t => t.Item1, t => t.Coefficient);

    public void Gradient(ReadOnlySpan<double> n, Span<double> gradient)
    {
        gradient.Clear();
        AddGradient(n, 1, gradient);
    }

    public void AddGradient(ReadOnlySpan<double> n, double factor, Span<double> gradient)
    {
        foreach (var (i, a) in linear) gradient[i] += factor * a;
        foreach (var (i, j, b) in quadratic)
        {
            gradient[i] += factor * b * n[j];
            gradient[j] += factor * b * n[i];
        }
    }

    /// <summary>True where this is at least another polynomial for all n of at least 0.</summary>
    public bool Covers(Polynomial other) => Always >= other.Always && Terms(this, other).All(term => term.Wanted >= term.Known);

    private long Always => constant;
}

/// <summary>Sums products of linear forms into a <see cref="Polynomial"/>. A form maps group to coefficient.</summary>
internal sealed class PolynomialBuilder(int variables)
{
    private readonly SortedDictionary<(int, int), long> _terms = [];

    public void AddLinear(Dictionary<int, long> form, long factor)
    {
        foreach (var (i, a) in form) Add(Polynomial.Constant, i, a * factor);
    }

    public void AddProduct(Dictionary<int, long> left, Dictionary<int, long> right, long factor)
    {
        foreach (var (i, a) in left)
        {
            foreach (var (j, b) in right) Add(i, j, a * b * factor);
        }
    }

    public Polynomial Build()
    {
        if (_terms.Keys.Any(k => k.Item2 >= variables)) throw new InvalidOperationException("a form names a group that is not there");
        return new Polynomial(
            _terms.GetValueOrDefault((Polynomial.Constant, Polynomial.Constant)),
            [.. _terms.Where(t => t.Key is (Polynomial.Constant, >= 0)).Select(t => (t.Key.Item2, t.Value))],
            [.. _terms.Where(t => t.Key.Item1 >= 0).Select(t => (t.Key.Item1, t.Key.Item2, t.Value))]);
    }

    private void Add(int i, int j, long coefficient)
    {
        var key = (Math.Min(i, j), Math.Max(i, j));
        _terms[key] = _terms.GetValueOrDefault(key) + coefficient;
    }
}
