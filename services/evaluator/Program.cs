using Lathe.Evaluator;
using Lathe.Exports;
using Lathe.Hosting;

return await StageHost.RunAsync<EvaluateStage, EvaluateParameters>(args, bus => bus.AddExporter(new CheckpointExporter()));
