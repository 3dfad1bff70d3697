using System.Numerics;
using System.Text;
using Lathe.Contracts;
using Lathe.NN.Pickle;

namespace Lathe.NN.Tests.Pickle;

public class PickleReaderTests
{
    // pickle.dumps({'a': [1, -2, 300, 70000, 2**40, -2**70, 1.5, True, False, None, b'xy\xff', '\u00fc\n\U0001F600'],
    //               'n': np.arange(6, dtype=np.uint8).reshape(2, 3), 't': (1, (2, 3), (), (4, 5, 6, 7)), 'again': the same list}, protocol)
    [Theory]
    [InlineData(0, "KGRwMApWYQpwMQoobHAyCkkxCmFJLTIKYUkzMDAKYUk3MDAwMAphTDEwOTk1MTE2Mjc3NzZMCmFMLTExODA1OTE2MjA3MTc0MTEzMDM0MjRMCmFGMS41CmFJMDEKYUkwMAphTmFjX2NvZGVjcwplbmNvZGUKcDMKKFZ4ef8KcDQKVmxhdGluMQpwNQp0cDYKUnA3CmFW/Fx1MDAwYVxVMDAwMWY2MDAKcDgKYXNWbgpwOQpjbnVtcHkuY29yZS5tdWx0aWFycmF5Cl9yZWNvbnN0cnVjdApwMTAKKGNudW1weQpuZGFycmF5CnAxMQooSTAKdHAxMgpnMwooVmIKcDEzCmc1CnRwMTQKUnAxNQp0cDE2ClJwMTcKKEkxCihJMgpJMwp0cDE4CmNudW1weQpkdHlwZQpwMTkKKFZ1MQpwMjAKSTAwCkkwMQp0cDIxClJwMjIKKEkzClZ8CnAyMwpOTk5JLTEKSS0xCkkwCnRwMjQKYkkwMApnMwooVlx1MDAwMAECAwQFCnAyNQpnNQp0cDI2ClJwMjcKdHAyOApic1Z0CnAyOQooSTEKKEkyCkkzCnRwMzAKKHQoSTQKSTUKSTYKSTcKdHAzMQp0cDMyCnNWYWdhaW4KcDMzCmcyCnMu")]
    [InlineData(1, "fXEAKFgBAAAAYXEBXXECKEsBSv7///9NLAFKcBEBAEwxMDk5NTExNjI3Nzc2TApMLTExODA1OTE2MjA3MTc0MTEzMDM0MjRMCkc/+AAAAAAAAEkwMQpJMDAKTmNfY29kZWNzCmVuY29kZQpxAyhYBAAAAHh5w79xBFgGAAAAbGF0aW4xcQV0cQZScQdYBwAAAMO8CvCfmIBxCGVYAQAAAG5xCWNudW1weS5jb3JlLm11bHRpYXJyYXkKX3JlY29uc3RydWN0CnEKKGNudW1weQpuZGFycmF5CnELKEsAdHEMaAMoWAEAAABicQ1oBXRxDlJxD3RxEFJxEShLAShLAksDdHESY251bXB5CmR0eXBlCnETKFgCAAAAdTFxFEkwMApJMDEKdHEVUnEWKEsDWAEAAAB8cRdOTk5K/////0r/////SwB0cRhiSTAwCmgDKFgGAAAAAAECAwQFcRloBXRxGlJxG3RxHGJYAQAAAHRxHShLAShLAksDdHEeKShLBEsFSwZLB3RxH3RxIFgFAAAAYWdhaW5xIWgCdS4=")]
    [InlineData(2, "gAJ9cQAoWAEAAABhcQFdcQIoSwFK/v///00sAUpwEQEAigYAAAAAAAGKCQAAAAAAAAAAwEc/+AAAAAAAAIiJTmNfY29kZWNzCmVuY29kZQpxA1gEAAAAeHnDv3EEWAYAAABsYXRpbjFxBYZxBlJxB1gHAAAAw7wK8J+YgHEIZVgBAAAAbnEJY251bXB5LmNvcmUubXVsdGlhcnJheQpfcmVjb25zdHJ1Y3QKcQpjbnVtcHkKbmRhcnJheQpxC0sAhXEMaANYAQAAAGJxDWgFhnEOUnEPh3EQUnERKEsBSwJLA4ZxEmNudW1weQpkdHlwZQpxE1gCAAAAdTFxFImIh3EVUnEWKEsDWAEAAAB8cRdOTk5K/////0r/////SwB0cRhiiWgDWAYAAAAAAQIDBAVxGWgFhnEaUnEbdHEcYlgBAAAAdHEdKEsBSwJLA4ZxHikoSwRLBUsGSwd0cR90cSBYBQAAAGFnYWlucSFoAnUu")]
    [InlineData(3, "gAN9cQAoWAEAAABhcQFdcQIoSwFK/v///00sAUpwEQEAigYAAAAAAAGKCQAAAAAAAAAAwEc/+AAAAAAAAIiJTkMDeHn/cQNYBwAAAMO8CvCfmIBxBGVYAQAAAG5xBWNudW1weS5jb3JlLm11bHRpYXJyYXkKX3JlY29uc3RydWN0CnEGY251bXB5Cm5kYXJyYXkKcQdLAIVxCEMBYnEJh3EKUnELKEsBSwJLA4ZxDGNudW1weQpkdHlwZQpxDVgCAAAAdTFxDomIh3EPUnEQKEsDWAEAAAB8cRFOTk5K/////0r/////SwB0cRJiiUMGAAECAwQFcRN0cRRiWAEAAAB0cRUoSwFLAksDhnEWKShLBEsFSwZLB3RxF3RxGFgFAAAAYWdhaW5xGWgCdS4=")]
    [InlineData(4, "gASVAwEAAAAAAAB9lCiMAWGUXZQoSwFK/v///00sAUpwEQEAigYAAAAAAAGKCQAAAAAAAAAAwEc/+AAAAAAAAIiJTkMDeHn/lIwHw7wK8J+YgJRljAFulIwVbnVtcHkuY29yZS5tdWx0aWFycmF5lIwMX3JlY29uc3RydWN0lJOUjAVudW1weZSMB25kYXJyYXmUk5RLAIWUQwFilIeUUpQoSwFLAksDhpRoCYwFZHR5cGWUk5SMAnUxlImIh5RSlChLA4wBfJROTk5K/////0r/////SwB0lGKJQwYAAQIDBAWUdJRijAF0lChLAUsCSwOGlCkoSwRLBUsGSwd0lHSUjAVhZ2FpbpRoAnUu")]
    public void What_Python_3_and_NumPy_write_is_read(int protocol, string pickle)
    {
        Assert.InRange(protocol, 0, 4);
        var values = (PickleDictionary)PickleReader.Read(Convert.FromBase64String(pickle), "file", NumpyPickle.Globals)!;
        Assert.True(values.TryGet("a", out var a));
        var list = (List<object?>)a!;
        Assert.Equal([1L, -2L, 300L, 70000L, 1L << 40, -BigInteger.Pow(2, 70), 1.5, true, false, null], list[..10]);
        Assert.Equal([(byte)'x', (byte)'y', 255], (byte[])list[10]!);
        Assert.Equal("\u00fc\n\U0001F600", list[11]);
        Assert.True(values.TryGet("again", out var again));
        Assert.Same(list, again);
        Assert.True(values.TryGet("n", out var n));
        Assert.Equal([2, 3], ((NumpyArray)n!).Shape);
        Assert.Equal([0, 1, 2, 3, 4, 5], ((NumpyArray)n).Data);
        Assert.True(values.TryGet("t", out var t));
        var tuple = (object?[])t!;
        Assert.Equal([2L, 3L], (object?[])tuple[1]!);
        Assert.Empty((object?[])tuple[2]!);
        Assert.Equal([4L, 5L, 6L, 7L], (object?[])tuple[3]!);
        Assert.False(values.TryGet("none", out _));
    }

    [Theory]
    [InlineData("cos\nsystem\n(S'id'\ntR.", "os.system")]
    [InlineData("\u0080\u0004\u008c\u0008builtins\u008c\u0004eval\u0093)R.", "builtins.eval")]
    [InlineData("(ios\nsystem\n.", "0x69")]
    [InlineData("\u0080\u0005N.", "protocol 5")]
    [InlineData("\u008f.", "0x8f")]
    public void What_is_not_allowed_is_refused_by_its_name(string pickle, string expected)
    {
        var message = Message(pickle);
        Assert.StartsWith("file is not a pickle that can be read", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("N")]
    [InlineData(".")]
    [InlineData("(.")]
    [InlineData("X\u00ff\u00ff\u00ff\u00ffabc.")]
    [InlineData("\u008d\u0001\u0000\u0000\u0000\u0000\u0000\u0000\u0080a.")]
    [InlineData("B\u0005\u0000\u0000\u0000abc.")]
    [InlineData("K\u0001h\u0007.")]
    [InlineData("t.")]
    [InlineData("K\u0001K\u0002a.")]
    [InlineData("K\u0001K\u0002K\u0003s.")]
    [InlineData("}(K\u0001u.")]
    [InlineData("Iabc\n.")]
    [InlineData("Fabc\n.")]
    [InlineData("S'a\n.")]
    [InlineData("S'\\x4'\n.")]
    [InlineData("V\\u12\n.")]
    [InlineData("K\u0001)R.")]
    [InlineData("K\u0001}b.")]
    [InlineData("K\u0001Q.")]
    [InlineData("cnumpy\nndarray\n)R.")]
    public void Damage_is_reported_with_the_file(string pickle) =>
        Assert.StartsWith("file is not a pickle", Message(pickle), StringComparison.Ordinal);

    [Fact]
    public void Every_cut_of_a_pickle_is_refused()
    {
        var whole = Bytes("\u0080\u0002}(U\u0004dataK\u0001X\u0001\u0000\u0000\u0000bG\u003f\u00f8\u0000\u0000\u0000\u0000\u0000\u0000u.");
        Assert.IsType<PickleDictionary>(PickleReader.Read(whole, "file", []));
        for (var length = 0; length < whole.Length; length++)
            Assert.Throws<LatheException>(() => PickleReader.Read(whole.AsMemory(0, length), "file", []));
    }

    [Fact]
    public void Callers_decide_what_globals_and_persistent_ids_make()
    {
        var ordered = new PickleGlobal("collections.OrderedDict", _ => new PickleDictionary());
        var storage = new PickleGlobal("torch.FloatStorage");
        var pickle = Bytes("\u0080\u0002ccollections\nOrderedDict\n)R(U\u0001wctorch\nFloatStorage\n\u0085Qu}U\u0009_metadataNsb.");
        var read = (PickleDictionary)PickleReader.Read(pickle, "file", [ordered, storage], id => ((object?[])id!)[0])!;
        Assert.True(read.TryGet("w", out var value));
        Assert.Same(storage, value);
        Assert.True(((PickleDictionary)read.State!).TryGet("_metadata", out _));
    }

    [Fact]
    public void Protocol_0_has_booleans_strings_and_persistent_ids()
    {
        Assert.Equal(true, PickleReader.Read(Bytes("I01\n."), "file", []));
        Assert.Equal(new BigInteger(5), (BigInteger)(long)PickleReader.Read(Bytes("L5L\n."), "file", [])!);
        Assert.Equal("a'\n\u0001"u8.ToArray(), PickleReader.Read(Bytes("S'a\\'\\n\\x01'\n."), "file", []));
        Assert.Equal("id 7", PickleReader.Read(Bytes("P7\n."), "file", [], id => $"id {id}"));
    }

    private static string Message(string pickle) =>
        Assert.Throws<LatheException>(() => PickleReader.Read(Bytes(pickle), "file", NumpyPickle.Globals)).Message;

    private static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);
}
