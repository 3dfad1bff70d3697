namespace Lathe.Contracts;

/// <summary>Whether running the same work again could end differently.</summary>
public enum FailureKind
{
    /// <summary>Something outside the work was at fault (a broker, a disk, a lost worker): worth another try.</summary>
    Transient,

    /// <summary>The request itself cannot succeed: bad parameters, impossible targets, damaged input.</summary>
    Permanent,

    /// <summary>This machine lacks what the work asks for, a GPU for example; another worker may have it: sent again until one takes it.</summary>
    Elsewhere,

    /// <summary>The checkpoint that the work starts from is missing or damaged: it is computed again, and then the work.</summary>
    InputLost,
}

/// <summary>
/// A fault whose message is for the user of Lathe: what was wrong, where, what was expected, what to do.
/// It is shown without a stack trace.
/// </summary>
public sealed class LatheException : Exception
{
    /// <summary>Makes it.</summary>
    /// <param name="message">What was wrong, where, what was expected and what to do, in words for the person who can act.</param>
    /// <param name="kind">Whether another try could help.</param>
    /// <param name="inner">What led to it; null: nothing.</param>
    public LatheException(string message, FailureKind kind = FailureKind.Permanent, Exception? inner = null)
        : base(message, inner) => Kind = kind;

    /// <summary>Whether another try could help.</summary>
    public FailureKind Kind { get; }
}
