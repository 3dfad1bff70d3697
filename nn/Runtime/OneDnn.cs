using Lathe.Contracts;

namespace Lathe.NN.Runtime;

/// <summary>Whether oneDNN convolves in this process, and why.</summary>
/// <param name="IsOn">True: oneDNN convolves. False: libtorch's own kernels do, with MKL's matrix products.</param>
/// <param name="Why">For people: half a sentence, for example <c>LATHE_ONEDNN is off</c>.</param>
/// <param name="IsFault">True: it is off because this machine cannot be trusted with it; people are warned once.</param>
public sealed record OneDnnState(bool IsOn, string Why, bool IsFault = false);

/// <summary>
/// Decides whether oneDNN, which libtorch convolves with on CPUs, may compute in this process. It is several times faster than libtorch's
/// own kernels, and on processors that hide their caches its sums are wrong (<see cref="ProcessorCaches"/>).
/// </summary>
public static class OneDnn
{
    /// <summary>Environment variable: <c>auto</c> (default) or <c>off</c>.</summary>
    public const string Variable = "LATHE_ONEDNN";

    private const string HiddenCaches = "the processor reports no caches, and oneDNN computes wrong sums there";

    private static OneDnnState _state = new(true, "libtorch is not loaded yet");

    /// <summary>How it stands now.</summary>
    public static OneDnnState State => Volatile.Read(ref _state);

    /// <summary>What a person's setting and the processor come to, before anything is computed.</summary>
    /// <param name="setting">Value of <see cref="Variable"/>; null or empty: <c>auto</c>.</param>
    /// <param name="cachesAreHidden">See <see cref="ProcessorCaches"/>.</param>
    /// <exception cref="LatheException">The setting is neither of the two.</exception>
    internal static OneDnnState Decide(string? setting, Func<bool> cachesAreHidden) => setting?.Trim().ToLowerInvariant() switch
    {
        "off" => new OneDnnState(false, $"{Variable} is off"),
        null or "" or "auto" => cachesAreHidden()
            ? new OneDnnState(false, HiddenCaches, IsFault: true)
            : new OneDnnState(true, "the processor reports its caches"),
        _ => throw new LatheException($"{Variable} is '{setting}'; expected auto or off"),
    };

    /// <summary>Puts a decision into force. Call after libtorch is loaded and before the first convolution.</summary>
    internal static void Apply(OneDnnState state)
    {
        ConvolutionBackends.UseNnpack(false);
        // It is on unless somebody turned it off.
        if (!state.IsOn)
            ConvolutionBackends.UseOneDnn(false);
        Volatile.Write(ref _state, state);
    }

    /// <summary>
    /// Checks libtorch's arithmetic; turns oneDNN off where its sums are wrong, and checks again.
    /// </summary>
    /// <param name="state">How oneDNN stands.</param>
    /// <param name="findFault">Checks: null where every sum is right, else what is wrong.</param>
    /// <param name="apply">Puts a new decision into force.</param>
    /// <exception cref="LatheException">The sums are wrong without oneDNN too.</exception>
    internal static void Verify(OneDnnState state, Func<string?> findFault, Action<OneDnnState> apply)
    {
        if (findFault() is not { } fault)
            return;
        if (state.IsOn)
        {
            apply(new OneDnnState(false, $"its sums are wrong on this processor ({fault})", IsFault: true));
            if (findFault() is not { } other)
                return;
            fault = other;
        }

        throw new LatheException(
            $"libtorch computes wrong sums on this processor, so Lathe does not compute here: {fault}. "
            + "Use another machine, and please report what lathe doctor prints here.",
            FailureKind.Elsewhere);
    }
}
