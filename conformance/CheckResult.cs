namespace Lathe.Conformance;

/// <summary>What became of a check.</summary>
public enum Verdict
{
    Passed,

    Failed,

    /// <summary>Nothing is known: something that the check needs is not there.</summary>
    NotAsked,
}

/// <summary>One check of a stage.</summary>
/// <param name="Name">By which it is asked for and left out.</param>
/// <param name="Claim">What holds where it passes.</param>
/// <param name="Verdict">What became of it.</param>
/// <param name="Detail">Why it failed or could not be asked, and what to do; where it passed, a remark, or nothing.</param>
public sealed record CheckResult(string Name, string Claim, Verdict Verdict, string Detail)
{
    /// <summary>For a test: nothing where the check passed.</summary>
    /// <exception cref="InvalidOperationException">It failed or could not be asked; the message says why.</exception>
    public void ThrowUnlessPassed()
    {
        if (Verdict != Verdict.Passed) throw new InvalidOperationException($"{Name} ({Claim}) {(Verdict == Verdict.Failed ? "failed" : "could not be asked")}: {Detail}");
    }
}

/// <summary>The stage does not do what the check claims.</summary>
internal sealed class RefutedException(string message) : Exception(message);

/// <summary>The check lacks something.</summary>
internal sealed class NotAskedException(string message) : Exception(message);
