using Lathe.Exports;
using Lathe.Hosting;
using Lathe.Quantizer;

return await StageHost.RunAsync<QuantizeStage, QuantizeParameters>(args, bus => bus.AddExporter(new CheckpointExporter()));
