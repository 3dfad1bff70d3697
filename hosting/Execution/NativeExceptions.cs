using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Lathe.Hosting;

/// <summary>
/// C++ exceptions that native code lets out. .NET cannot take them over, so that the C++ runtime ends the process: <c>Tensor.matmul</c> of shapes that do not fit is
/// such a call. Here the thread of a stage hands the exception to whoever waits for the stage, as any other exception, and stands still for ever. What it holds is
/// free again when the process ends. Where the thread is not a stage's, the process ends as it would, after <see cref="LastWords"/>.
/// </summary>
/// <remarks>Only on Linux on x64: elsewhere the process ends at once. The names are those of the Itanium C++ ABI and of GNU's libstdc++, whose layouts do not change.</remarks>
internal static class NativeExceptions
{
    // Slots of virtual tables: of std::type_info, and of std::exception.
    private const int DoCatch = 4;
    private const int What = 2;
    private const int LongestMessage = 4096;

    private static readonly Lock Gate = new();
    private static nint _library;
    private static nint _before;
    private static Callback? _handler;

    [ThreadStatic]
    private static Action<Exception>? _taker;

    private delegate void Callback();

    private delegate nint SetTerminate(nint handler);

    private delegate nint CurrentExceptionType();

    private delegate void CurrentException(out nint exception);

    private delegate byte CatchAs(nint type, nint thrown, ref nint exception, uint outer);

    private delegate nint MessageOf(nint exception);

    /// <summary>Told of an exception on a thread that is no stage's; the process ends when it returns.</summary>
    public static event Action<Exception>? Ending;

    /// <summary>What native code lets out on this thread goes to the taker from now on; null: it ends the process.</summary>
    public static void Take(Action<Exception>? taker)
    {
        Watch();
        _taker = taker;
    }

    /// <summary>Hears of such exceptions. Without libstdc++ there is no code that could throw them.</summary>
    public static void Watch()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64) return;
        lock (Gate)
        {
            if (_handler is not null || !NativeLibrary.TryLoad("libstdc++.so.6", out _library)) return;
            _handler = OnTerminate;
            _before = Function<SetTerminate>("_ZSt13set_terminatePFvvE")(Marshal.GetFunctionPointerForDelegate(_handler));
        }
    }

    /// <summary>Called by the C++ runtime on the thread that threw, its stack still there. It must not return.</summary>
    private static void OnTerminate()
    {
        // Without an exception it was a fault that leaves nothing to go on with.
        var exception = Current();
        if (exception is not null && _taker is { } taker)
        {
            taker(exception);
            Thread.Sleep(Timeout.Infinite);
        }

        Ending?.Invoke(exception ?? new NativeException("native code gave up without an exception"));
        if (_before != 0) Marshal.GetDelegateForFunctionPointer<Callback>(_before)();
        Environment.FailFast(null);
    }

    /// <summary>What was thrown, with the stack of the managed code that called, as TorchSharp throws it elsewhere; null: nothing was thrown.</summary>
    private static NativeException? Current()
    {
        var type = Function<CurrentExceptionType>("__cxa_current_exception_type")();
        if (type == 0) return null;
        var name = Marshal.PtrToStringUTF8(Marshal.ReadIntPtr(type, nint.Size)) ?? "unknown";
        Function<CurrentException>("_ZSt17current_exceptionv")(out var thrown);
        var std = NativeLibrary.GetExport(_library, "_ZTISt9exception");
        var message = Virtual<CatchAs>(std, DoCatch)(std, type, ref thrown, 1) != 0
            ? Text(Virtual<MessageOf>(thrown, What)(thrown))
            : $"a native exception of type {name}";
        return (NativeException)ExceptionDispatchInfo.SetRemoteStackTrace(new NativeException(message), Environment.StackTrace);
    }

    private static string Text(nint text)
    {
        var whole = Marshal.PtrToStringUTF8(text) ?? "";
        return whole.Length <= LongestMessage ? whole : whole[..LongestMessage];
    }

    private static T Function<T>(string name)
        where T : Delegate => Marshal.GetDelegateForFunctionPointer<T>(NativeLibrary.GetExport(_library, name));

    private static T Virtual<T>(nint instance, int slot)
        where T : Delegate => Marshal.GetDelegateForFunctionPointer<T>(Marshal.ReadIntPtr(Marshal.ReadIntPtr(instance), slot * nint.Size));
}

/// <summary>Thrown in native code, where nobody caught it.</summary>
internal sealed class NativeException(string message) : ExternalException(message);
