using System.Net.Sockets;
using System.Reflection;
using Amazon.Runtime;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>What the exception of an execution means for the sweep and for the worker.</summary>
/// <param name="Kind">Whether another try could help, and where.</param>
/// <param name="Message">Written for a person.</param>
/// <param name="IsOfThisWorker">The worker lacks something or is broken: an execution that others can do fails here.</param>
/// <param name="IsExplained">The message says it all; the log needs no stack trace.</param>
internal sealed record StageFailure(FailureKind Kind, string Message, bool IsOfThisWorker, bool IsExplained)
{
    // Numbers of errno, which .NET hands on as they are.
    private const int InputOutputError = 5;
    private const int NoSpaceLeft = 28;
    private const int ReadOnly = 30;
    private const int QuotaExceeded = 122;

    /// <summary>Judges what an execution ended with.</summary>
    /// <param name="e">The exception.</param>
    /// <param name="hasOtherWorkers">True with a broker; in one process nobody else could take the execution.</param>
    public static StageFailure Of(Exception e, bool hasOtherWorkers)
    {
        var cause = Unwrapped(e);
        return cause switch
        {
            Mismatch mismatch => new(hasOtherWorkers ? FailureKind.Elsewhere : FailureKind.Permanent, mismatch.Message, false, true),
            LatheException { Kind: FailureKind.Elsewhere } known => Own(known.Message),
            // If the input is in the store after all, this worker has another store; several in a row say so.
            LatheException { Kind: FailureKind.InputLost } lost => new(FailureKind.InputLost, lost.Message, hasOtherWorkers, true),
            LatheException known when Chain(known).Any(IsBroken) || (known.Kind == FailureKind.Permanent && Chain(known).Any(IsOfBucket)) => Own(known.Message),
            LatheException known => new(known.Kind, known.Message, false, true),
            _ when Chain(cause).FirstOrDefault(IsBroken) is { } broken => Own(Told(broken)),
            IOException or SocketException => Transient($"input or output failed: {Line(cause)}"),
            HttpRequestException => Transient($"a request over HTTP failed: {Line(cause)}"),
            TimeoutException or OperationCanceledException => Transient($"something did not answer in time: {Line(cause)}"),
            // libtorch's messages go on with the frames of its own stack.
            _ => new(FailureKind.Permanent, $"{cause.GetType().Name}: {Line(cause)} (a fault in the stage; the worker's log has the details)", false, false),
        };

        StageFailure Own(string message) => new(hasOtherWorkers ? FailureKind.Elsewhere : FailureKind.Permanent, message, true, true);

        StageFailure Transient(string message) => new(FailureKind.Transient, message, false, false);
    }

    /// <summary>Looks for what the worker must have. Where that fails for good, it fails on this worker, and another one may have it.</summary>
    public static T OfThisWorker<T>(Func<T> find)
    {
        try
        {
            return find();
        }
        catch (LatheException e) when (e.Kind == FailureKind.Permanent)
        {
            throw new LatheException(e.Message, FailureKind.Elsewhere, e);
        }
    }

    /// <summary>A disk, a right or a library: the machine's, not the work's.</summary>
    private static bool IsBroken(Exception e) => e switch
    {
        IOException io => io.HResult is NoSpaceLeft or QuotaExceeded or ReadOnly or InputOutputError,
        UnauthorizedAccessException or DllNotFoundException or BadImageFormatException => true,
        _ => false,
    };

    /// <summary>For good, a bucket refuses what its settings on this worker name.</summary>
    private static bool IsOfBucket(Exception e) => e is AmazonServiceException or AmazonClientException;

    private static string Told(Exception e) => e switch
    {
        IOException { HResult: NoSpaceLeft or QuotaExceeded } =>
            $"the disk is full ({Line(e)}); make room where checkpoints and states are kept (lathe doctor shows where), and run the same again",
        IOException { HResult: ReadOnly } or UnauthorizedAccessException =>
            $"a file or folder of this worker cannot be used ({Line(e)}); lathe doctor, run as the worker is, shows which one",
        IOException => $"a disk of this worker fails ({Line(e)})",
        _ => $"a library of this worker cannot be loaded ({Line(e)}); install the same release again",
    };

    private static Exception Unwrapped(Exception e) =>
        e is AggregateException or TypeInitializationException or TargetInvocationException && e.InnerException is { } inner ? Unwrapped(inner) : e;

    private static IEnumerable<Exception> Chain(Exception? e)
    {
        for (; e is not null; e = e.InnerException) yield return e;
    }

    private static string Line(Exception e) => e.Message.Split('\n')[0].TrimEnd();

    /// <summary>The work is not for a worker like this one, which is not broken for that.</summary>
    internal sealed class Mismatch(string message) : Exception(message);
}
