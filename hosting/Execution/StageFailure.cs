using System.Net.Sockets;
using System.Reflection;
using System.Runtime.InteropServices;
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
            LatheException known when Chain(known).Any(MachineFault.Is) || (known.Kind == FailureKind.Permanent && Chain(known).Any(IsOfBucket)) => Own(known.Message),
            LatheException known => new(known.Kind, known.Message, false, true),
            _ when Chain(cause).FirstOrDefault(MachineFault.Is) is { } broken => Own(MachineFault.Tell(broken)),
            Uncaught uncaught => new(FailureKind.Permanent, $"{uncaught.Message} (a fault in the stage; it ended the worker, whose log has the details)", false, false),
            IOException or SocketException => Transient($"input or output failed: {Line(cause)}"),
            HttpRequestException => Transient($"a request over HTTP failed: {Line(cause)}"),
            TimeoutException or OperationCanceledException { InnerException: TimeoutException } => Transient($"something did not answer in time: {Line(cause)}"),
            OperationCanceledException => Transient(
                $"{cause.GetType().Name}, though nobody asked for a stop: {Line(cause)}. Either something did not answer in time, or the stage threw it by itself; a stage throws it only when run.Stop is requested"),
            // Other programs may have the memory, and another worker a larger GPU; a network too large for all of them fails after the last attempt.
            ExternalException when cause.Message.Contains("CUDA out of memory", StringComparison.Ordinal) =>
                Transient($"the GPU of this worker has too little memory: {Line(cause).TrimEnd('.')}; a smaller batch needs less"),
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

    /// <summary>For good, a bucket refuses what its settings on this worker name.</summary>
    private static bool IsOfBucket(Exception e) => e is AmazonServiceException or AmazonClientException;

    private static Exception Unwrapped(Exception e) =>
        e is AggregateException or TypeInitializationException or TargetInvocationException && e.InnerException is { } inner ? Unwrapped(inner) : e;

    private static IEnumerable<Exception> Chain(Exception? e)
    {
        for (; e is not null; e = e.InnerException) yield return e;
    }

    /// <summary>The first line of what an exception says.</summary>
    public static string Line(Exception e) => e.Message.Split('\n')[0].TrimEnd();

    /// <summary>Thrown on a thread that the stage started itself, where nobody catches it.</summary>
    internal sealed class Uncaught(Exception cause) : Exception($"{cause.GetType().Name} on a thread of its own, where nobody catches it: {Line(cause)}", cause);

    /// <summary>The work is not for a worker like this one, which is not broken for that.</summary>
    internal sealed class Mismatch(string message) : Exception(message);
}
