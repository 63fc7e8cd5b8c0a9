import '../tools/stack/command.ts';
